-- no key: its rows cannot be told apart
UPDATE event_titles SET title = 'unknown' WHERE title IS NULL;
