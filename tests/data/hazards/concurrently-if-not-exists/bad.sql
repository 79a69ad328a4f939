CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_placed_at ON orders (placed_at);
