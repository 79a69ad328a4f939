-- +goose Up
ALTER INDEX samples_name RENAME TO samples_by_name;
ALTER INDEX hosts_name_key SET (fillfactor = 50);
ALTER INDEX hosts_name_key SET TABLESPACE pg_default;
CREATE INDEX hosts_upper ON hosts (upper(name), (id + 1));
ALTER INDEX hosts_upper ALTER COLUMN 2 SET STATISTICS 55;
-- +goose Down
DROP INDEX hosts_upper;
ALTER INDEX hosts_name_key RESET (fillfactor);
ALTER INDEX samples_by_name RENAME TO samples_name;
