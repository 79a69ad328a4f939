-- Deploy library:readers to pg
BEGIN;
CREATE TABLE library.readers (reader_id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT UNIQUE NOT NULL);
INSERT INTO library.readers (name) SELECT DISTINCT reader FROM library.loans ORDER BY reader;
ALTER TABLE library.loans ADD COLUMN reader_id INTEGER REFERENCES library.readers;
UPDATE library.loans l SET reader_id = r.reader_id FROM library.readers r WHERE r.name = l.reader;
ALTER TABLE library.loans ALTER COLUMN reader_id SET NOT NULL;
DROP VIEW library.overdue_by_reader, library.overdue;
ALTER TABLE library.loans DROP COLUMN reader;
COMMIT;
