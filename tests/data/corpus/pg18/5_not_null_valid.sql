-- +goose Up
UPDATE bookings SET price = 0 WHERE price IS NULL;
ALTER TABLE bookings VALIDATE CONSTRAINT price_given;
-- +goose Down
ALTER TABLE bookings DROP CONSTRAINT price_given;
UPDATE bookings SET price = NULL WHERE price = 0;
