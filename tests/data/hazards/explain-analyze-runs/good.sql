EXPLAIN UPDATE countries SET name = 'x' WHERE id = 1;
