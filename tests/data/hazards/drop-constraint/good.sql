ALTER TABLE orders RENAME CONSTRAINT orders_note_present TO note_present;
