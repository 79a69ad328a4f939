BEGIN;
DROP TABLE library.copies;
COMMIT;
