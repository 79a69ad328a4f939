-- +goose Up
CREATE STATISTICS host_and_name (ndistinct, dependencies, mcv) ON host_id, name FROM samples_default;
CREATE STATISTICS by_hour ON date_trunc('hour', at, 'UTC'), name FROM samples_default;
ALTER STATISTICS host_and_name SET STATISTICS 900;
COMMENT ON STATISTICS by_hour IS 'for the dashboard';
ANALYZE samples_default;
-- +goose Down
DROP STATISTICS host_and_name, by_hour;
