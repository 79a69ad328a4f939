ALTER TABLE order_lines ALTER COLUMN line TYPE smallint;
ALTER TABLE customers ALTER COLUMN credit TYPE numeric(8,2);
ALTER TABLE products ALTER COLUMN price TYPE numeric(8,2), ALTER COLUMN stock TYPE smallint;
