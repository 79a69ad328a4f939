ALTER TABLE care.visits DROP COLUMN room;
