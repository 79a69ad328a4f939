ALTER TABLE venues ALTER COLUMN name TYPE text, ALTER COLUMN city TYPE varchar(30);
DROP INDEX venues_name;
DROP COLLATION numeric_order;
