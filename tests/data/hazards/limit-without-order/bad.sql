DELETE FROM countries WHERE id IN (SELECT id FROM countries WHERE name = '' LIMIT 10);
