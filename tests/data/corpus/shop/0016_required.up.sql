UPDATE customers SET first_name = '' WHERE first_name IS NULL;
ALTER TABLE customers ALTER COLUMN first_name SET NOT NULL;
UPDATE order_lines l SET price = p.price FROM products p WHERE p.id = l.product_id AND l.price IS NULL;
ALTER TABLE order_lines ALTER price SET NOT NULL;
CREATE TABLE vouchers (code text PRIMARY KEY);
ALTER TABLE vouchers ADD COLUMN value numeric NOT NULL;
