-- +goose Up
CREATE TABLE notes (id int, reading int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (1000);
INSERT INTO notes SELECT i, 1 + i % 300 FROM generate_series(1, 200) i;
ALTER TABLE notes_1 ADD CONSTRAINT of_reading FOREIGN KEY (reading) REFERENCES readings NOT VALID;
ALTER TABLE notes_1 VALIDATE CONSTRAINT of_reading;
ALTER TABLE notes ADD CONSTRAINT of_reading FOREIGN KEY (reading) REFERENCES readings;
-- +goose Down
DROP TABLE notes;
