CREATE OR REPLACE FUNCTION tax(amount numeric, rate numeric DEFAULT 0.19) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS 'SELECT round(amount * rate, 2)';
ALTER PROCEDURE sell_ticket(text, text) RENAME TO sell;
ALTER FUNCTION upcoming() ROWS 10 COST 100 SECURITY INVOKER RESET search_path;
