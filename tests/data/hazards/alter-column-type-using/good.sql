ALTER TABLE orders ADD COLUMN note_json jsonb;
