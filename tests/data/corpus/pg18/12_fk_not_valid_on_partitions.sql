-- +goose Up
CREATE TABLE visits (id int, at date, guest int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE visits_a PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO visits SELECT i, date '2025-01-01' + i, i FROM generate_series(1, 100) i;
ALTER TABLE visits ADD CONSTRAINT of_guest FOREIGN KEY (guest) REFERENCES guests NOT VALID;
-- +goose Down
DROP TABLE visits;
