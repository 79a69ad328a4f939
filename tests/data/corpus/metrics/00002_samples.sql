-- +goose Up
CREATE TABLE samples (
    host_id smallint NOT NULL,
    at timestamptz NOT NULL,
    name text NOT NULL,
    value double precision,
    PRIMARY KEY (host_id, at, name)
) PARTITION BY RANGE (at);
CREATE TABLE samples_2024_q1 PARTITION OF samples FOR VALUES FROM ('2024-01-01') TO ('2024-04-01');
CREATE TABLE samples_2024_q2 PARTITION OF samples FOR VALUES FROM ('2024-04-01') TO ('2024-07-01') PARTITION BY LIST (name);
CREATE TABLE samples_2024_q2_cpu PARTITION OF samples_2024_q2 FOR VALUES IN ('cpu', 'load');
CREATE TABLE samples_2024_q2_rest PARTITION OF samples_2024_q2 DEFAULT;
CREATE TABLE samples_default PARTITION OF samples DEFAULT WITH (fillfactor = 90);
-- +goose Down
DROP TABLE samples;
