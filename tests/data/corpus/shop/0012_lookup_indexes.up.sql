CREATE INDEX orders_customer ON orders (customer_id) INCLUDE (status);
CREATE INDEX orders_open ON orders (placed_at DESC) WHERE status IN ('new', 'paid');
CREATE INDEX customers_lower_email ON customers (lower(email) text_pattern_ops);
CREATE INDEX products_details ON products ((details ->> 'b'));
ALTER INDEX customers_lower_email ALTER COLUMN 1 SET STATISTICS 500;
COMMENT ON INDEX orders_open IS 'for the packing screen';
