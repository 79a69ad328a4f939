SET CONSTRAINTS ALL DEFERRED;
UPDATE billing.invoices SET visit_id = 601 - visit_id WHERE visit_id <= 600;
