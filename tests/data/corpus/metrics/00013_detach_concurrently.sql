-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE counters DETACH PARTITION counters_1 CONCURRENTLY;
-- +goose Down
ALTER TABLE counters ATTACH PARTITION counters_1 FOR VALUES WITH (modulus 2, remainder 1);
