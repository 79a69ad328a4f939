ALTER TABLE products DROP COLUMN shelf;
ALTER TABLE order_lines DROP COLUMN serial_no;
