ALTER TABLE products ALTER COLUMN details TYPE json USING details::json;
