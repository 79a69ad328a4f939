CREATE TABLE jobs (id serial PRIMARY KEY, name text, run_at timestamptz);
INSERT INTO jobs (name, run_at) SELECT 'job ' || i, timestamptz '2025-01-01 00:00+00' + i * interval '1 min' FROM generate_series(1, 200) i;
