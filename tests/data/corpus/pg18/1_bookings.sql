-- +goose Up
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE rooms (id int, valid daterange, name text, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
CREATE TABLE bookings (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room int NOT NULL,
    stay daterange NOT NULL,
    price numeric,
    guests int,
    per_guest numeric GENERATED ALWAYS AS (price / nullif(guests, 0)),
    CONSTRAINT of_room FOREIGN KEY (room, PERIOD stay) REFERENCES rooms (id, PERIOD valid),
    CONSTRAINT sane CHECK (guests > 0) NOT ENFORCED
);
INSERT INTO rooms SELECT i, daterange('2020-01-01', '2040-01-01'), 'Room ' || i FROM generate_series(1, 50) i;
INSERT INTO bookings (room, stay, price, guests) SELECT 1 + i % 50, daterange(date '2025-01-01' + i, date '2025-01-04' + i), CASE WHEN i % 9 > 0 THEN i * 1.1 END, i % 5 FROM generate_series(1, 300) i;
-- +goose Down
DROP TABLE bookings;
DROP TABLE rooms;
