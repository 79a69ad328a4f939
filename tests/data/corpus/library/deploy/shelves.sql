-- Deploy library:shelves to pg
BEGIN;
CREATE TABLE library.shelves (room TEXT, no INTEGER, label TEXT, PRIMARY KEY (room, no)) PARTITION BY LIST (room);
CREATE TABLE library.shelves_a PARTITION OF library.shelves FOR VALUES IN ('a');
CREATE TABLE library.shelves_other PARTITION OF library.shelves DEFAULT;
INSERT INTO library.shelves SELECT chr(97 + i % 3), i, 'Shelf ' || i FROM generate_series(1, 90) i;
ALTER TABLE library.copies ADD COLUMN room TEXT DEFAULT 'a', ADD COLUMN shelf INTEGER DEFAULT 3, ADD FOREIGN KEY (room, shelf) REFERENCES library.shelves;
COMMIT;
