COMMENT ON TRIGGER touch ON orders IS 'keeps changed_at right';
