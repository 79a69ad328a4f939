CREATE INDEX CONCURRENTLY orders_status_c ON orders (status COLLATE "C", id);
