ALTER TABLE billing.invoices REPLICA IDENTITY DEFAULT;
DROP INDEX billing.invoices_sent;
