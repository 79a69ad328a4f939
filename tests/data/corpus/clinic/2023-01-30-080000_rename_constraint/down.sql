ALTER DOMAIN care.insurance_no RENAME CONSTRAINT insurance_upper TO upper_case;
ALTER TABLE care.patients RENAME CONSTRAINT born_after_1930 TO born_since;
ALTER TABLE billing.invoices RENAME CONSTRAINT invoices_pkey TO invoices_pk;
