-- +goose Up
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT SELECT ON readings TO pg_monitor;
-- +goose Down
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE SELECT ON readings FROM pg_monitor;
