-- setup
create table t (a int, b text);
create index i on t (a, lower(b));
alter index i alter column 2 set statistics 200;
-- forward
alter index i alter column 2 set statistics 20;
drop index i;
create index i on t (lower(b));
