CREATE INDEX CONCURRENTLY orders_status_again ON orders (status);
