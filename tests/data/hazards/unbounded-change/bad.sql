UPDATE orders SET status = 'late' WHERE placed_at < now() - interval '1 year';
