-- +goose Up
CREATE TABLE items (id int PRIMARY KEY, qty int NOT NULL DEFAULT 1);
-- +goose StatementBegin
CREATE FUNCTION items_total() RETURNS bigint AS $$
BEGIN
  RETURN (SELECT coalesce(sum(qty), 0) FROM items);
END;
$$ LANGUAGE plpgsql STABLE;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION items_total();
DROP TABLE items;
