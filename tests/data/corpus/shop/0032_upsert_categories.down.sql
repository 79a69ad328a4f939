DELETE FROM categories WHERE id IN (5, 6);
