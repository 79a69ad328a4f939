-- +goose Up
ALTER PUBLICATION dashboards ADD TABLE cache WHERE (k <> 'k1');
ALTER PUBLICATION dashboards DROP TABLE counters;
ALTER PUBLICATION dashboards SET (publish = 'insert, update, delete');
ALTER PUBLICATION nothing_yet RENAME TO everything_soon;
COMMENT ON PUBLICATION everything_soon IS 'some day';
-- +goose Down
ALTER PUBLICATION everything_soon RENAME TO nothing_yet;
ALTER PUBLICATION dashboards SET TABLE hosts (id, name), counters;
