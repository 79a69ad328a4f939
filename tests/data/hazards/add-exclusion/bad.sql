ALTER TABLE orders ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (span WITH &&);
