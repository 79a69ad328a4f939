BEGIN;
DROP TRIGGER remember ON library.loans;
DROP FUNCTION library.remember();
DROP TABLE library.loan_history;
COMMIT;
