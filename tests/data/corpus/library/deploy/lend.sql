-- Deploy library:lend to pg
BEGIN;
CREATE OR REPLACE FUNCTION library.lend(copy INTEGER, who TEXT) RETURNS VOID LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO library.loans (copy_id, reader) VALUES ($1, $2) ON CONFLICT (copy_id, since) DO NOTHING;
END
$$;
COMMIT;
