-- +goose Up
DROP TABLE samples_old;
-- +goose Down
CREATE TABLE samples_old PARTITION OF samples FOR VALUES FROM ('2024-01-01') TO ('2024-04-01');
