UPDATE countries SET name = '' WHERE name IS NULL;
