INSERT INTO archive_orders (id, total) SELECT id, 0 FROM countries;
