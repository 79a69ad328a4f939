-- on 15 the default is kept as -1
-- +goose Up
ALTER TABLE readings ALTER v SET STATISTICS 100;
ALTER TABLE readings ALTER v SET STATISTICS -1;
-- +goose Down
SELECT 1;
