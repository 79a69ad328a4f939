-- +goose Up
DROP STATISTICS by_hour;
ALTER STATISTICS host_and_name RENAME TO host_name;
-- +goose Down
ALTER STATISTICS host_name RENAME TO host_and_name;
CREATE STATISTICS by_hour ON date_trunc('hour', at, 'UTC'), name FROM samples_default;
