BEGIN;
CREATE TABLE library.loan_history (LIKE library.loans, changed TIMESTAMPTZ DEFAULT now());
COMMIT;
