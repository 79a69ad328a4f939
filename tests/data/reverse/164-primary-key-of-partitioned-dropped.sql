-- setup
create table t (id int primary key, a int) partition by range (id);
create table t1 partition of t for values from (1) to (10);
insert into t values (1,1);
-- forward
alter table t drop constraint t_pkey;
alter table t add constraint other unique (id, a);
