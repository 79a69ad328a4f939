-- +goose Up
ALTER TABLE routers NO INHERIT hosts;
ALTER TABLE hosts ADD COLUMN rack text;
ALTER TABLE switches ADD PRIMARY KEY (id);
-- +goose Down
ALTER TABLE hosts DROP COLUMN rack;
ALTER TABLE routers INHERIT hosts;
