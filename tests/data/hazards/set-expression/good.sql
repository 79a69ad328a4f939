ALTER TABLE orders ADD COLUMN gross_new numeric;
