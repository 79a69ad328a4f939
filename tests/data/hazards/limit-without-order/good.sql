DELETE FROM countries WHERE id IN (SELECT id FROM countries WHERE name = '' ORDER BY id LIMIT 10);
