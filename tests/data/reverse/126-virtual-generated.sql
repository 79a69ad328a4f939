-- since: 18
-- setup
create table t (a int);
insert into t values (1);
-- forward
alter table t add column b int generated always as (a * 2) virtual;
