CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public VERSION '1.6';
CREATE INDEX events_title ON events (title);
ALTER TABLE events ALTER COLUMN title TYPE citext;
ALTER TABLE events ADD CONSTRAINT title_not_blank CHECK (title <> '');
