DROP FUNCTION tax;
CREATE FUNCTION tax(amount numeric, rate numeric DEFAULT 0.07) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round(coalesce(amount, 0) * rate, 2)';
