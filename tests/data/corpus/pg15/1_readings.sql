-- +goose Up
CREATE TABLE readings (id int PRIMARY KEY, at timestamp, v float8) WITH (autovacuum_enabled = off);
INSERT INTO readings SELECT i, timestamp '2022-01-01' + i * interval '1 min', CASE WHEN i % 8 > 0 THEN i / 9.0 END FROM generate_series(1, 300) i;
-- +goose Down
DROP TABLE readings;
