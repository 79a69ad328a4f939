CREATE COLLATION numeric_order (provider = libc, locale = 'C');
CREATE INDEX venues_name ON venues (name);
ALTER TABLE venues ALTER COLUMN name TYPE text COLLATE numeric_order;
ALTER TABLE venues ALTER COLUMN city TYPE varchar(30) COLLATE "POSIX";
