ALTER TABLE billing.invoices RENAME CONSTRAINT invoices_pk TO invoices_pkey;
ALTER TABLE care.patients RENAME CONSTRAINT born_since TO born_after_1930;
ALTER DOMAIN care.insurance_no RENAME CONSTRAINT upper_case TO insurance_upper;
