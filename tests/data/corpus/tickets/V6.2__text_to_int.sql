ALTER TABLE tickets ADD COLUMN row_no text;
UPDATE tickets SET row_no = substr(seat, 2);
ALTER TABLE tickets ALTER COLUMN row_no TYPE integer USING nullif(row_no, '')::integer;
ALTER TABLE tickets RENAME COLUMN row_no TO seat_no;
