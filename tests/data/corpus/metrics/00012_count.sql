-- +goose Up
INSERT INTO counters SELECT 'k' || i, 1 FROM generate_series(250, 350) i ON CONFLICT (key) DO UPDATE SET n = counters.n + excluded.n;
UPDATE counters SET key = 'moved-' || key WHERE n % 7 = 0;
DELETE FROM counters_0 WHERE n > 340;
-- +goose Down
DELETE FROM counters WHERE n = 1;
