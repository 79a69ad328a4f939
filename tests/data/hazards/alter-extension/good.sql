COMMENT ON EXTENSION pgcrypto IS 'hashes';
