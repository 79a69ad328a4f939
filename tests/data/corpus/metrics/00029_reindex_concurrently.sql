-- +goose NO TRANSACTION
-- +goose Up
REINDEX INDEX CONCURRENTLY hosts_name_key;
VACUUM (ANALYZE) hosts;
VACUUM FULL cache;
-- +goose Down
SELECT 1;
