-- +goose Up
ALTER TABLE bookings DROP COLUMN nights;
ALTER TABLE bookings DROP COLUMN price CASCADE;
-- +goose Down
ALTER TABLE bookings ADD COLUMN price numeric;
