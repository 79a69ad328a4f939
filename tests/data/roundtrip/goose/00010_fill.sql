-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
  FOR n IN 1..10 LOOP
    INSERT INTO items (id, qty) VALUES (n, n * n);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DELETE FROM items WHERE id = 1;
