-- +goose Up
ALTER TABLE bookings ALTER COLUMN label SET EXPRESSION AS ('#' || id);
ALTER TABLE rooms ADD COLUMN shout text GENERATED ALWAYS AS (upper(name));
ALTER TABLE rooms ALTER COLUMN shout SET EXPRESSION AS (upper(name) || '!');
-- +goose Down
ALTER TABLE bookings ALTER COLUMN label SET EXPRESSION AS ('booking ' || id);
ALTER TABLE rooms DROP COLUMN shout;
