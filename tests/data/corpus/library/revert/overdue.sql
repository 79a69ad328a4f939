BEGIN;
DROP VIEW library.overdue_by_reader;
DROP VIEW library.overdue;
COMMIT;
