ALTER TABLE users RENAME COLUMN full_name TO display_name;
UPDATE users SET display_name = upper(display_name);
ALTER TABLE users RENAME TO people;
UPDATE people SET display_name = display_name || '!';
