CREATE INDEX CONCURRENTLY orders_wide ON orders (status, placed_at, total, note);
