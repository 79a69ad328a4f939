BEGIN;
ALTER TABLE library.copies DROP COLUMN room, DROP COLUMN shelf;
DROP TABLE library.shelves;
COMMIT;
