-- +goose Up
ALTER TABLE bookings ADD CONSTRAINT price_given NOT NULL price NOT VALID;
-- +goose Down
ALTER TABLE bookings DROP CONSTRAINT price_given;
