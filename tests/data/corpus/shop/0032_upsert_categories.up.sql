INSERT INTO categories (id, parent_id, name) VALUES (1, NULL, 'All'), (5, 1, 'music'), (6, 5, 'vinyl')
ON CONFLICT (id) DO UPDATE SET name = excluded.name, parent_id = excluded.parent_id;
WITH moved AS (UPDATE products SET category_id = 5 WHERE id % 2 = 0 RETURNING id)
INSERT INTO categories SELECT 100 + id, 5, 'of product ' || id FROM moved WHERE id < 10;
DELETE FROM categories WHERE name = 'toys';
