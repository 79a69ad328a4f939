-- +goose Up
ALTER TABLE bookings ADD COLUMN nights int GENERATED ALWAYS AS (upper(stay) - lower(stay)) VIRTUAL, ADD COLUMN label text GENERATED ALWAYS AS ('booking ' || id) STORED;
-- +goose Down
ALTER TABLE bookings DROP COLUMN nights, DROP COLUMN label;
