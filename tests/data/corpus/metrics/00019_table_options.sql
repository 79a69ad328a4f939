-- +goose Up
ALTER TABLE hosts SET (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_enabled = false, parallel_workers = 2);
ALTER TABLE samples_default SET (toast_tuple_target = 256, autovacuum_analyze_threshold = 17), SET (toast.autovacuum_enabled = off);
ALTER TABLE hosts CLUSTER ON hosts_name_key;
ALTER TABLE hosts REPLICA IDENTITY FULL;
-- +goose Down
ALTER TABLE hosts REPLICA IDENTITY DEFAULT, SET WITHOUT CLUSTER;
ALTER TABLE hosts RESET (fillfactor, autovacuum_enabled);
