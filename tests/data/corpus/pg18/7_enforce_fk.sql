-- +goose Up
CREATE TABLE guests (id int PRIMARY KEY, booking int CONSTRAINT of_booking REFERENCES bookings NOT ENFORCED, name text);
INSERT INTO guests SELECT i, i, 'Guest ' || i FROM generate_series(1, 250) i;
-- +goose Down
DROP TABLE guests;
