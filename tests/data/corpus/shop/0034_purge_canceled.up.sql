DELETE FROM orders WHERE status = 'canceled' AND placed_at IS NULL;
