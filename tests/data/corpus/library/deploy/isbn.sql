-- Deploy library:isbn to pg
BEGIN;
ALTER TABLE library.copies DROP CONSTRAINT copies_isbn_fkey;
ALTER TABLE library.books DROP CONSTRAINT books_isbn_check;
ALTER TABLE library.books ALTER COLUMN isbn TYPE BIGINT USING isbn::BIGINT;
ALTER TABLE library.copies ALTER COLUMN isbn TYPE BIGINT USING isbn::BIGINT;
ALTER TABLE library.copies ADD CONSTRAINT copies_isbn_fkey FOREIGN KEY (isbn) REFERENCES library.books ON UPDATE CASCADE;
COMMIT;
