-- +goose Up
REINDEX TABLE hosts;
REINDEX INDEX hosts_pkey;
ANALYZE hosts;
CLUSTER hosts USING hosts_pkey;
-- +goose Down
SELECT 1;
