BEGIN;
ALTER TABLE library.copies DROP CONSTRAINT copies_isbn_fkey;
ALTER TABLE library.copies ALTER COLUMN isbn TYPE TEXT;
ALTER TABLE library.books ALTER COLUMN isbn TYPE TEXT;
ALTER TABLE library.books ADD CONSTRAINT books_isbn_check CHECK (length(isbn) = 13);
ALTER TABLE library.copies ADD CONSTRAINT copies_isbn_fkey FOREIGN KEY (isbn) REFERENCES library.books ON UPDATE CASCADE;
COMMIT;
