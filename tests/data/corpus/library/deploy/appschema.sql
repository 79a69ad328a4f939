-- Deploy library:appschema to pg
BEGIN;
CREATE SCHEMA library;
COMMENT ON SCHEMA library IS 'all of it';
COMMIT;
