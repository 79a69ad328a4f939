ALTER TABLE orders ADD COLUMN shipped_at timestamp;
UPDATE orders SET shipped_at = timestamp '2024-10-27 00:30' + id * interval '7 minutes' WHERE status = 'shipped';
ALTER TABLE orders ALTER COLUMN shipped_at TYPE timestamptz USING shipped_at AT TIME ZONE 'Europe/Berlin';
