-- +goose Up
-- +goose StatementBegin
DO $do$
DECLARE m date;
BEGIN
    FOR m IN SELECT d::date FROM generate_series(date '2025-01-01', date '2025-06-01', interval '1 month') d LOOP
        EXECUTE format('CREATE TABLE samples_%s PARTITION OF samples FOR VALUES FROM (%L) TO (%L)', to_char(m, 'YYYY_MM'), m, m + interval '1 month');
    END LOOP;
END $do$;
-- +goose StatementEnd
-- +goose Down
-- +goose StatementBegin
DO $do$
DECLARE t text;
BEGIN
    FOR t IN SELECT relname FROM pg_class WHERE relname LIKE 'samples\_2025%' AND relkind = 'r' LOOP
        EXECUTE 'DROP TABLE ' || quote_ident(t);
    END LOOP;
END $do$;
-- +goose StatementEnd
