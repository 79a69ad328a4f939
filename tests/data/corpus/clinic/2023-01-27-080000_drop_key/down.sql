ALTER TABLE billing.invoices DROP CONSTRAINT invoices_pk, ADD CONSTRAINT invoices_key PRIMARY KEY (no);
