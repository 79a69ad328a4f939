-- expect: except columnOrder
-- setup
create table t (a int, s int generated always as (a * 2) stored, b int);
insert into t(a,b) values (1,2);
-- forward
alter table t drop column s;
