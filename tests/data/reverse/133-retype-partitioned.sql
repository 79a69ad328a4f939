-- setup
create table t (id int, n int default 1) partition by range (id);
create table t1 partition of t for values from (1) to (10) partition by list (n);
create table t11 partition of t1 default;
insert into t values (1,2);
create view v as select count(*) from t;
-- forward
alter table t add column m int;
create index on t (m);
alter table t add unique (id, n);
alter table t alter m type bigint;
