-- +goose Up
MERGE INTO guests g USING (SELECT generate_series(240, 260) AS id) s ON g.id = s.id WHEN MATCHED THEN UPDATE SET name = 'old ' || name WHEN NOT MATCHED BY TARGET THEN INSERT (id, name) VALUES (s.id, 'new') RETURNING merge_action(), g.id;
DELETE FROM guests WHERE id > 255 RETURNING old.*;
-- +goose Down
DELETE FROM guests WHERE name = 'new';
