-- on 15 a generated column must say STORED
-- +goose Up
ALTER TABLE readings ADD COLUMN doubled float8 GENERATED ALWAYS AS (v * 2) STORED;
-- +goose Down
ALTER TABLE readings DROP COLUMN doubled;
