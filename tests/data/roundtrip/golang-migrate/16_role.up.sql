DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roundtrip_reader') THEN CREATE ROLE roundtrip_reader; END IF; END $$;
GRANT SELECT ON people TO roundtrip_reader;
