CREATE INDEX orders_open ON orders (placed_at DESC) WHERE status IN ('new', 'paid');
CREATE INDEX customers_lower_email ON customers (lower(email));
CREATE INDEX products_details ON products ((details ->> 'b'));
