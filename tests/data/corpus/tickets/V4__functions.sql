CREATE FUNCTION seats_left(event bigint, OUT free bigint, OUT taken bigint) LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE NOT sold), count(*) FILTER (WHERE sold) FROM tickets WHERE event_id = event;
END;
CREATE FUNCTION tax(amount numeric, rate numeric DEFAULT 0.19) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS 'SELECT round(amount * rate, 2)';
CREATE PROCEDURE sell(ticket text, who text) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tickets SET sold = true, holder = who WHERE code = ticket AND sold IS DISTINCT FROM true;
    IF NOT FOUND THEN RAISE EXCEPTION 'no such ticket: %', ticket; END IF;
END $$;
CREATE AGGREGATE longest(text) (sfunc = textcat, stype = text, initcond = '');
CREATE FUNCTION upcoming() RETURNS SETOF events LANGUAGE sql STABLE ROWS 10 AS 'SELECT * FROM events WHERE starts > now()';
COMMENT ON FUNCTION tax(numeric, numeric) IS 'German';
COMMENT ON AGGREGATE longest(text) IS 'not really';
CREATE VIEW event_seats AS SELECT e.id, e.title, (seats_left(e.id)).free, tax(sum(t.price)) AS tax FROM events e JOIN tickets t ON t.event_id = e.id GROUP BY e.id, e.title;
