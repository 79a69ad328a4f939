-- +goose Up
CREATE TABLE hosts (id smallint PRIMARY KEY, name text UNIQUE, ip cidr, mac macaddr, parent smallint REFERENCES hosts DEFERRABLE INITIALLY DEFERRED);
INSERT INTO hosts SELECT i, 'host-' || i, ('10.' || i % 8 || '.' || i || '.0/24')::cidr, CASE WHEN i % 3 > 0 THEN '08:00:2b:01:02:03'::macaddr END,
    CASE WHEN i < 200 THEN i + 1 END FROM generate_series(1, 200) i;
-- +goose Down
DROP TABLE hosts;
