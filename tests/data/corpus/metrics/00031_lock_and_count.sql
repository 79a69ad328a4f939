-- +goose Up
LOCK TABLE counters IN SHARE ROW EXCLUSIVE MODE;
UPDATE counters SET n = n + 1;
-- +goose Down
UPDATE counters SET n = n - 1;
