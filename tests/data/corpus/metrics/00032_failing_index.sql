-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX IF EXISTS counters_n;
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS cache_v ON cache (v);
-- +goose Down
DROP INDEX cache_v;
