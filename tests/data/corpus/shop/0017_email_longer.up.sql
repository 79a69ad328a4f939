ALTER TABLE customers ALTER COLUMN country SET DEFAULT 'eu';
ALTER TABLE products ALTER COLUMN sku TYPE varchar(40);
