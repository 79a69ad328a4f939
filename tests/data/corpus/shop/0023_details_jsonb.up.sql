ALTER TABLE products ALTER COLUMN details TYPE jsonb USING details::jsonb;
