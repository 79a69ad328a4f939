BEGIN;
ALTER TABLE library.loans ADD COLUMN reader TEXT;
UPDATE library.loans l SET reader = r.name FROM library.readers r WHERE r.reader_id = l.reader_id;
ALTER TABLE library.loans DROP COLUMN reader_id;
DROP TABLE library.readers;
COMMIT;
