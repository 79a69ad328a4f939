-- setup
create table t (a int, b int, s int generated always as (a + b) stored);
insert into t values (1,2);
create index t_s on t (s);
-- forward
alter table t drop column s;
