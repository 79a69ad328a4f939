-- Deploy library:history to pg
BEGIN;
CREATE TABLE library.loan_history (LIKE library.loans, changed TIMESTAMPTZ DEFAULT now());
CREATE FUNCTION library.remember() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO library.loan_history VALUES (OLD.*);
    RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER UPDATE ON library.loans FOR EACH ROW EXECUTE FUNCTION library.remember();
UPDATE library.loans SET fine = NULL WHERE fine = 0;
COMMIT;
