BEGIN;
DROP TABLE library.loans;
COMMIT;
