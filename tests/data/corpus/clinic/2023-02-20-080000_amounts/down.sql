ALTER TABLE billing.invoices ALTER COLUMN amount TYPE numeric(10,3), ALTER COLUMN sent TYPE timestamp(0);
