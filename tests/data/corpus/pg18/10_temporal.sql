-- +goose Up
ALTER TABLE bookings DROP CONSTRAINT of_room;
ALTER TABLE rooms ADD CONSTRAINT one_name_at_a_time UNIQUE (name, valid WITHOUT OVERLAPS);
UPDATE bookings SET room = room + 100 WHERE id % 10 = 0;
-- +goose Down
ALTER TABLE rooms DROP CONSTRAINT one_name_at_a_time;
