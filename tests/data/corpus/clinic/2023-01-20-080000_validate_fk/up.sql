ALTER TABLE billing.invoices VALIDATE CONSTRAINT invoices_visit;
