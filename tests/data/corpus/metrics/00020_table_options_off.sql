-- +goose Up
ALTER TABLE hosts RESET (fillfactor, parallel_workers), SET WITHOUT CLUSTER, REPLICA IDENTITY NOTHING;
ALTER TABLE samples_default RESET (toast_tuple_target, toast.autovacuum_enabled);
-- +goose Down
ALTER TABLE hosts SET (fillfactor = 75), REPLICA IDENTITY FULL;
