-- +goose Up
CREATE TABLE counters (key text, n bigint DEFAULT 0, PRIMARY KEY (key)) PARTITION BY HASH (key);
CREATE TABLE counters_0 PARTITION OF counters FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE counters_1 PARTITION OF counters FOR VALUES WITH (modulus 2, remainder 1);
INSERT INTO counters SELECT 'k' || i, i FROM generate_series(1, 300) i;
-- +goose Down
DROP TABLE counters;
