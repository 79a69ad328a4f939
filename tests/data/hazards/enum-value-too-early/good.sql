UPDATE countries SET name = 'calm' WHERE id = 1;
