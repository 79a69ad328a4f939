-- +goose Up
CREATE TABLE switches (ports integer) INHERITS (hosts);
CREATE TABLE routers (LIKE hosts INCLUDING DEFAULTS, asn bigint);
ALTER TABLE routers INHERIT hosts;
INSERT INTO switches (id, name, ports) SELECT 300 + i, 'switch-' || i, 24 FROM generate_series(1, 30) i;
INSERT INTO routers (id, name, asn) SELECT 400 + i, 'router-' || i, 64512 + i FROM generate_series(1, 20) i;
-- +goose Down
DROP TABLE routers, switches;
