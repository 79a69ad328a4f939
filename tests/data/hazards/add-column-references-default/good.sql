ALTER TABLE orders ADD COLUMN country_id bigint DEFAULT 1;
