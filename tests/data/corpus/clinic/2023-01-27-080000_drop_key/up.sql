DROP INDEX billing.invoices_sent;
ALTER TABLE billing.invoices REPLICA IDENTITY DEFAULT;
ALTER TABLE billing.invoices DROP CONSTRAINT invoices_key;
CREATE UNIQUE INDEX invoices_visit_no ON billing.invoices (visit_id, no) WITH (fillfactor = 70);
ALTER TABLE billing.invoices ALTER COLUMN visit_id SET NOT NULL;
ALTER TABLE billing.invoices ADD CONSTRAINT invoices_pk PRIMARY KEY USING INDEX invoices_visit_no;
