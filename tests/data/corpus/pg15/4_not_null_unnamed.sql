-- on 15 NOT NULL is a flag without a name
-- +goose Up
UPDATE readings SET v = 0 WHERE v IS NULL;
ALTER TABLE readings ALTER v SET NOT NULL, ALTER at SET NOT NULL;
-- +goose Down
ALTER TABLE readings ALTER v DROP NOT NULL;
