DELETE FROM countries c WHERE NOT EXISTS (SELECT FROM customers k WHERE k.country_id = c.id);
