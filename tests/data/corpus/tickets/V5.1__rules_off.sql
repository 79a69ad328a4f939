ALTER TABLE gone_tickets ENABLE ALWAYS RULE no_update;
ALTER RULE no_update ON gone_tickets RENAME TO read_only;
ALTER TABLE tickets DISABLE RULE keep_deleted;
