-- since: 18
-- setup
create table t (a int, b int generated always as (a * 2) stored, c int);
insert into t(a) values (1);
create view v as select b from t;
-- forward
drop view v;
alter table t alter b set expression as (a * 3);
create view v as select b from t;
