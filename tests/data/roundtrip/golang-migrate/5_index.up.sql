CREATE INDEX CONCURRENTLY IF NOT EXISTS users_status ON users (status);
