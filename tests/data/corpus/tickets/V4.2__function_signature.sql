DROP FUNCTION tax(numeric, numeric) CASCADE;
CREATE FUNCTION tax(amount numeric, rate numeric, cap numeric DEFAULT NULL) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT least(round(amount * rate, 2), cap)';
DROP FUNCTION IF EXISTS no_such_function(int);
DROP AGGREGATE longest(text);
