-- +goose Up
ALTER TABLE samples_2024_q1 RENAME TO samples_old;
ALTER TABLE samples ATTACH PARTITION samples_old FOR VALUES FROM ('2024-01-01') TO ('2024-04-01');
-- +goose Down
ALTER TABLE samples DETACH PARTITION samples_old;
