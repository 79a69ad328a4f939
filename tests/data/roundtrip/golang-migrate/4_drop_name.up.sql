ALTER TABLE users ADD COLUMN full_name text, ADD COLUMN status text NOT NULL DEFAULT 'new';
UPDATE users SET full_name = name;
CREATE VIEW active_users AS SELECT id, email FROM users WHERE status <> 'gone';
ALTER TABLE users DROP COLUMN name, ALTER COLUMN full_name SET NOT NULL;
