ALTER TABLE tickets DROP CONSTRAINT tickets_pkey;
ALTER TABLE tickets DROP CONSTRAINT price_positive;
