-- +goose Up
ALTER TABLE visits VALIDATE CONSTRAINT of_guest;
-- +goose Down
ALTER TABLE visits DROP CONSTRAINT of_guest;
