ALTER INDEX items_pkey RENAME TO order_lines_pkey;
ALTER TABLE items RENAME COLUMN amount TO quantity;
ALTER TABLE items RENAME TO order_lines;
