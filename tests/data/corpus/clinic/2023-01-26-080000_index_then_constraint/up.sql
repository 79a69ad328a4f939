CREATE UNIQUE INDEX invoices_sent ON billing.invoices (sent, no);
CLUSTER billing.invoices USING invoices_sent;
ALTER TABLE billing.invoices REPLICA IDENTITY USING INDEX invoices_key;
