-- Deploy library:books to pg
BEGIN;
SET client_min_messages = 'warning';
CREATE TABLE library.books (
    isbn TEXT PRIMARY KEY CHECK (length(isbn) = 13),
    title TEXT NOT NULL,
    year SMALLINT,
    authors TEXT
);
INSERT INTO library.books SELECT '978' || lpad((i * 7919)::text, 10, '0'), 'Book ' || i, CASE WHEN i % 12 > 0 THEN 1900 + i % 120 END,
    CASE i % 3 WHEN 0 THEN 'One, Two' WHEN 1 THEN 'Single' END FROM generate_series(1, 250) i;
COMMIT;
