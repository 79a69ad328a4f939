-- +goose Up
ALTER TABLE hosts ADD COLUMN num integer;
UPDATE hosts SET num = id;
ALTER TABLE hosts ADD UNIQUE (num);
ALTER TABLE samples ADD CONSTRAINT of_host FOREIGN KEY (host_id) REFERENCES hosts (num);
-- +goose Down
ALTER TABLE samples DROP CONSTRAINT of_host;
ALTER TABLE hosts DROP COLUMN num;
