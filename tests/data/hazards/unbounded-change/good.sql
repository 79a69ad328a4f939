UPDATE countries SET name = 'Türkiye' WHERE name = 'Turkey';
