-- Deploy library:copies to pg
BEGIN;
CREATE TABLE library.copies (
    copy_id SERIAL PRIMARY KEY,
    isbn TEXT NOT NULL REFERENCES library.books ON UPDATE CASCADE,
    state TEXT NOT NULL DEFAULT 'good',
    bought DATE
);
INSERT INTO library.copies (isbn, state, bought) SELECT isbn, CASE WHEN year % 5 = 0 THEN 'worn' ELSE 'good' END, make_date(year, 1, 1) FROM library.books, generate_series(1, 2);
COMMIT;
