-- +goose Up
CREATE INDEX samples_value ON ONLY samples (value);
CREATE INDEX samples_value_q1 ON samples_2024_q1 (value);
CREATE INDEX samples_value_q2 ON samples_2024_q2 (value);
CREATE INDEX samples_value_default ON samples_default (value);
ALTER INDEX samples_value ATTACH PARTITION samples_value_q1;
ALTER INDEX samples_value ATTACH PARTITION samples_value_q2;
ALTER INDEX samples_value ATTACH PARTITION samples_value_default;
-- +goose Down
DROP INDEX samples_value;
