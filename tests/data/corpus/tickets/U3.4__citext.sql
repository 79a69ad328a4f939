ALTER TABLE events DROP CONSTRAINT title_not_blank;
ALTER TABLE events ALTER COLUMN title TYPE varchar(20);
DROP INDEX events_title;
DROP EXTENSION citext;
