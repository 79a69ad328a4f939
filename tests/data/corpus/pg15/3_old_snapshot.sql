-- +goose Up
CREATE EXTENSION old_snapshot;
CREATE EXTENSION adminpack;
-- +goose Down
DROP EXTENSION adminpack;
DROP EXTENSION old_snapshot;
