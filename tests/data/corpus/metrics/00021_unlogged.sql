-- +goose Up
ALTER TABLE counters_1 SET UNLOGGED;
CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v jsonb) USING heap;
INSERT INTO cache SELECT 'k' || i, jsonb_build_object('i', i, 'n', NULL) FROM generate_series(1, 100) i;
ALTER TABLE cache SET LOGGED;
ALTER TABLE hosts SET TABLESPACE pg_default;
ALTER TABLE hosts SET ACCESS METHOD heap;
-- +goose Down
DROP TABLE cache;
ALTER TABLE counters_1 SET LOGGED;
