ALTER TABLE order_lines DROP COLUMN discount;
ALTER TABLE order_lines DROP COLUMN total;
