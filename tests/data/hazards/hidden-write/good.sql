DELETE FROM countries WHERE id = 1;
