ALTER TABLE orders ADD COLUMN country_id bigint;
