-- +goose Up
ALTER TABLE samples ADD COLUMN unit text DEFAULT 'n/a', ADD CONSTRAINT named CHECK (name <> '') ;
ALTER TABLE samples RENAME COLUMN value TO reading;
ALTER TABLE samples ALTER COLUMN host_id TYPE integer;
COMMENT ON COLUMN samples.reading IS 'as read';
-- +goose Down
ALTER TABLE samples ALTER COLUMN host_id TYPE smallint;
ALTER TABLE samples RENAME COLUMN reading TO value;
ALTER TABLE samples DROP CONSTRAINT named, DROP COLUMN unit;
