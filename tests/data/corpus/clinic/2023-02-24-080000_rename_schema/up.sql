ALTER SCHEMA billing RENAME TO money;
ALTER TABLE care.audit SET SCHEMA money;
