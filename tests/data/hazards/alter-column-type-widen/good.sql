ALTER TABLE orders ADD COLUMN long_note text;
