ALTER TABLE order_lines RENAME TO items;
ALTER TABLE items RENAME COLUMN line TO position;
ALTER TABLE items RENAME COLUMN quantity TO line;
ALTER TABLE items RENAME COLUMN position TO quantity;
ALTER TABLE items RENAME COLUMN line TO amount;
ALTER TABLE items RENAME COLUMN quantity TO line;
ALTER INDEX order_lines_pkey RENAME TO items_pkey;
