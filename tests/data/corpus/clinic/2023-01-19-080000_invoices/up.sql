CREATE TABLE billing.invoices (
    no text CONSTRAINT invoices_key PRIMARY KEY,
    visit_id int,
    amount numeric(10,3) NOT NULL,
    paid boolean,
    sent timestamp(0)
) WITH (fillfactor = 80);
INSERT INTO billing.invoices SELECT 'R-' || id, id, id * 1.235, NULLIF(id % 3, 0) = 1, timestamp '2024-01-01' + id * interval '61 min' FROM care.visits;
ALTER TABLE billing.invoices ADD CONSTRAINT invoices_visit FOREIGN KEY (visit_id) REFERENCES care.visits (id) ON DELETE RESTRICT NOT VALID;
