-- +goose Up
ALTER TABLE rooms ALTER COLUMN shout SET EXPRESSION AS (lower(name));
-- +goose Down
ALTER TABLE rooms ALTER COLUMN shout SET EXPRESSION AS (upper(name));
