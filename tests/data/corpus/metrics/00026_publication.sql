-- +goose Up
CREATE PUBLICATION dashboards FOR TABLE hosts (id, name), TABLE counters WITH (publish = 'insert, update', publish_via_partition_root = true);
CREATE PUBLICATION nothing_yet;
-- +goose Down
DROP PUBLICATION nothing_yet;
DROP PUBLICATION dashboards;
