ALTER TABLE billing.invoices ALTER COLUMN amount TYPE numeric(12,2);
ALTER TABLE billing.invoices ALTER COLUMN sent TYPE timestamp(3);
