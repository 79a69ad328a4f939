CREATE INDEX CONCURRENTLY orders_open ON orders (status) WHERE status <> 'done';
