-- +goose Up
ALTER TABLE hosts ALTER COLUMN ip TYPE inet;
ALTER TABLE hosts ALTER COLUMN mac TYPE macaddr8 USING mac::macaddr8;
-- +goose Down
ALTER TABLE hosts ALTER COLUMN mac TYPE macaddr USING mac::macaddr;
ALTER TABLE hosts ALTER COLUMN ip TYPE cidr;
