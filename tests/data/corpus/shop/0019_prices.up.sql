DROP MATERIALIZED VIEW sales;
ALTER TABLE products ALTER COLUMN price TYPE numeric(12,2), ALTER COLUMN stock TYPE integer;
ALTER TABLE customers ALTER COLUMN credit TYPE numeric;
ALTER TABLE order_lines ALTER COLUMN line TYPE bigint;
