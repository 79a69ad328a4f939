ALTER TABLE care.audit ALTER COLUMN at TYPE timestamptz;
