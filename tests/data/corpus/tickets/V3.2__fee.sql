ALTER TABLE tickets ADD COLUMN fee numeric GENERATED ALWAYS AS (round(price * 0.1, 2)) STORED;
CREATE INDEX tickets_fee ON tickets (fee);
