-- setup
create table t (a int, b int);
insert into t values (1,2);
create view v as select a, b from t;
-- forward
alter table t rename a to x;
alter table t rename b to a;
alter table t rename x to b;
