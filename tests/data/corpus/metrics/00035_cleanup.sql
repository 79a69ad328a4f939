-- +goose Up
DELETE FROM samples WHERE reading = 'NaN' OR reading IS NULL;
UPDATE samples SET at = at + interval '1 year' WHERE name = 'disk' AND at < '2024-01-01';
