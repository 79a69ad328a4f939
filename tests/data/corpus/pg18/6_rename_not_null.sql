-- +goose Up
ALTER TABLE bookings RENAME CONSTRAINT price_given TO price_required;
ALTER TABLE bookings ALTER CONSTRAINT price_required NO INHERIT;
-- +goose Down
ALTER TABLE bookings ALTER CONSTRAINT price_required INHERIT;
ALTER TABLE bookings RENAME CONSTRAINT price_required TO price_given;
