-- setup
create table t (a int, b int);
insert into t values (1,2);
-- forward
alter table t add column s int generated always as (a + b) stored;
create index on t (s);
