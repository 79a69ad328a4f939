UPDATE countries SET name = '' WHERE name = NULL;
