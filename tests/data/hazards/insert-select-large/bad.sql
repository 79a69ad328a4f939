INSERT INTO archive_orders (id, total) SELECT id, total FROM orders WHERE status = 'done';
