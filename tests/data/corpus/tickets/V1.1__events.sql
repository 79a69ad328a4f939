CREATE TABLE events (
    id bigserial,
    venue_id integer REFERENCES venues ON DELETE CASCADE,
    title text,
    starts timestamp with time zone,
    lasts interval,
    poster bytea,
    tags text[],
    price_from money,
    PRIMARY KEY (id)
);
INSERT INTO events (venue_id, title, starts, lasts, poster, tags, price_from)
SELECT 500 + (i % 150) * 5, CASE WHEN i % 13 = 0 THEN NULL ELSE E'Event\u00a0№' || i END, timestamptz '2025-10-26 00:59:59.999999+00' + i * interval '1 day 3 hours',
       make_interval(mins => i), CASE WHEN i % 4 = 0 THEN decode(lpad(to_hex(i), 8, '0'), 'hex') ELSE '\x'::bytea END,
       CASE i % 3 WHEN 0 THEN '{}'::text[] WHEN 1 THEN ARRAY['rock', NULL] END, i::text::money
FROM generate_series(1, 400) AS i;
