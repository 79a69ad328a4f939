-- Deploy library:lend to pg
BEGIN;
CREATE OR REPLACE FUNCTION library.lend(copy INTEGER, who TEXT) RETURNS VOID LANGUAGE SQL SECURITY DEFINER AS $$
    INSERT INTO library.loans (copy_id, reader) VALUES ($1, $2);
$$;
COMMIT;
