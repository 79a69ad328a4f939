-- no-transaction
CREATE INDEX CONCURRENTLY order_lines_product ON order_lines (product_id);
