-- Deploy library:fines to pg
BEGIN;
ALTER TABLE library.loans ADD COLUMN fine NUMERIC(6,2) DEFAULT 0 CHECK (fine >= 0);
UPDATE library.loans SET fine = 0.1 * (until - since - 28) WHERE until - since > 28;
COMMIT;
