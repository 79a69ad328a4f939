UPDATE events SET title = left(title, 20) WHERE length(title) > 20;
ALTER TABLE events ALTER COLUMN title TYPE varchar(20);
