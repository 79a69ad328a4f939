SET LOCAL timezone = 'UTC';
ALTER TABLE orders ALTER COLUMN placed_at TYPE timestamp;
ALTER TABLE customers ALTER created_at TYPE timestamp;
