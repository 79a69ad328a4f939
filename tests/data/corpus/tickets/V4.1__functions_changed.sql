CREATE OR REPLACE FUNCTION tax(amount numeric, rate numeric DEFAULT 0.07) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round(coalesce(amount, 0) * rate, 2)';
ALTER PROCEDURE sell(text, text) RENAME TO sell_ticket;
ALTER PROCEDURE sell_ticket(text, text) SET lock_timeout = '2s';
ALTER FUNCTION upcoming() ROWS 500 COST 7 SECURITY DEFINER;
ALTER FUNCTION upcoming() SET search_path = public, pg_temp;
GRANT EXECUTE ON FUNCTION tax(numeric, numeric) TO pg_monitor;
