DROP VIEW event_seats;
DROP FUNCTION upcoming();
DROP AGGREGATE longest(text);
DROP PROCEDURE sell(text, text);
DROP FUNCTION tax(numeric, numeric);
DROP FUNCTION seats_left(bigint);
