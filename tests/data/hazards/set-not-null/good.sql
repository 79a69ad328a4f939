-- orders_note_present CHECK (note IS NOT NULL) is valid, so nothing is scanned.
ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
