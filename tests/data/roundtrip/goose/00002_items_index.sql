-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY items_qty ON items (qty);

-- +goose Down
DROP INDEX CONCURRENTLY items_qty;
