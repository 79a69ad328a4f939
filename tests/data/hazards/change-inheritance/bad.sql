ALTER TABLE orders INHERIT documents;
