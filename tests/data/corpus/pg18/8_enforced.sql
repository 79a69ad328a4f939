-- +goose Up
ALTER TABLE guests ALTER CONSTRAINT of_booking ENFORCED;
-- +goose Down
ALTER TABLE guests ALTER CONSTRAINT of_booking NOT ENFORCED;
