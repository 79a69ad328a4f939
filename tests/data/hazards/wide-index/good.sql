CREATE INDEX CONCURRENTLY orders_narrow ON orders (status, placed_at) INCLUDE (total, note);
