ALTER TABLE money.audit SET SCHEMA care;
ALTER SCHEMA money RENAME TO billing;
