SET LOCAL timezone = 'UTC';
ALTER TABLE orders ALTER COLUMN placed_at TYPE timestamptz;
ALTER TABLE customers ALTER created_at TYPE timestamp with time zone, ALTER created_at SET DEFAULT current_timestamp;
