CREATE SEQUENCE venue_numbers START 500 INCREMENT 5 MAXVALUE 100000 CACHE 20;
CREATE TABLE venues (
    id integer PRIMARY KEY DEFAULT nextval('venue_numbers'),
    name text NOT NULL COLLATE "C",
    city varchar(30),
    seats integer,
    opened date,
    code bit(8),
    flags varbit(8)
);
ALTER SEQUENCE venue_numbers OWNED BY venues.id;
INSERT INTO venues (name, city, seats, opened, code, flags)
SELECT 'Venue ' || chr(65 + i % 26) || i, CASE WHEN i % 8 > 0 THEN 'City ' || i % 12 END, i * 11,
       CASE WHEN i = 3 THEN 'infinity'::date ELSE date '0044-03-15 BC' + i * 1000 END, (i % 256)::bit(8), (i % 16)::bit(4)::varbit
FROM generate_series(1, 150) AS i;
