CREATE TABLE tickets (
    code text NOT NULL,
    event_id bigint NOT NULL REFERENCES events (id),
    seat text,
    price numeric,
    sold boolean NOT NULL DEFAULT false,
    holder text
);
INSERT INTO tickets SELECT md5(i::text), 1 + i % 400, chr(65 + i % 20) || i % 40, CASE i % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN NULL ELSE i / 7.0 END,
       i % 3 = 0, CASE WHEN i % 3 = 0 THEN 'Holder <' || i || '>' END FROM generate_series(1, 900) i;
CREATE INDEX ON tickets (event_id, sold) WHERE NOT sold;
CREATE INDEX tickets_holder ON tickets USING hash (holder);
