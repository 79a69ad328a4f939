-- +goose Up
CREATE MATERIALIZED VIEW daily AS SELECT host_id, date_trunc('day', at, 'UTC') AS day, name, avg(reading) AS mean, count(*) AS n FROM samples GROUP BY 1, 2, 3;
CREATE UNIQUE INDEX ON daily (host_id, day, name);
CREATE MATERIALIZED VIEW weekly AS SELECT name, date_trunc('week', day, 'UTC') AS week, sum(n) AS n FROM daily GROUP BY 1, 2 WITH NO DATA;
CREATE VIEW busiest AS SELECT * FROM weekly ORDER BY n DESC LIMIT 10;
-- +goose Down
DROP VIEW busiest;
DROP MATERIALIZED VIEW weekly;
DROP MATERIALIZED VIEW daily;
