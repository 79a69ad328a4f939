ALTER TABLE events DROP CONSTRAINT title_not_blank;
ALTER TABLE events ALTER COLUMN title TYPE text, ADD CONSTRAINT title_not_blank CHECK (title <> '');
DROP EXTENSION citext;
