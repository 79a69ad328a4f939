-- +goose Up
CREATE INDEX samples_at ON samples USING brin (at) WITH (pages_per_range = 16);
CREATE INDEX samples_name ON samples (name, value DESC);
-- +goose Down
DROP INDEX samples_at;
DROP INDEX samples_name;
