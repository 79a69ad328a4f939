CREATE INDEX CONCURRENTLY orders_status_new ON orders (status, id);
