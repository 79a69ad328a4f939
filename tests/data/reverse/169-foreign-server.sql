-- as: superuser
-- setup
create extension postgres_fdw;
-- forward
create server far foreign data wrapper postgres_fdw options (host 'nowhere');
create foreign table ft (a int, b text) server far options (table_name 'x');
create view v as select a from ft;
