ALTER TABLE tickets ENABLE RULE keep_deleted;
ALTER RULE read_only ON gone_tickets RENAME TO no_update;
ALTER TABLE gone_tickets ENABLE RULE no_update;
