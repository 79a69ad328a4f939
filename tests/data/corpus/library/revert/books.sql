BEGIN;
DROP TABLE library.books;
COMMIT;
