-- +goose Up
INSERT INTO samples
SELECT 1 + i % 200, timestamptz '2023-12-01' + i * interval '9 hours', (ARRAY['cpu', 'load', 'disk', 'net'])[1 + i % 4],
    CASE i % 40 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' WHEN 3 THEN 1e-300 ELSE i / 3.0 END
FROM generate_series(1, 800) i;
-- +goose Down
TRUNCATE samples;
