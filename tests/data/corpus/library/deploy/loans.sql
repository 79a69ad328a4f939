-- Deploy library:loans to pg
BEGIN;
CREATE TABLE library.loans (
    copy_id INTEGER NOT NULL REFERENCES library.copies,
    reader TEXT NOT NULL,
    since DATE NOT NULL DEFAULT current_date,
    until DATE,
    PRIMARY KEY (copy_id, since),
    CHECK (until IS NULL OR until >= since)
);
CREATE UNIQUE INDEX one_loan ON library.loans (copy_id) WHERE until IS NULL;
INSERT INTO library.loans SELECT copy_id, 'reader ' || copy_id % 20, date '2021-01-01' + copy_id, CASE WHEN copy_id % 3 > 0 THEN date '2021-02-01' + copy_id END
FROM library.copies WHERE copy_id <= 300;
COMMIT;
