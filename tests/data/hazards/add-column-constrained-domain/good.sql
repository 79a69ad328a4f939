CREATE DOMAIN weight AS integer;
ALTER TABLE orders ADD COLUMN weight weight;
