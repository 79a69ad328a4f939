CREATE INDEX CONCURRENTLY crowded_more ON crowded (b);
