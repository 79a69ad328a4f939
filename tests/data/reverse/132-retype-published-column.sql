-- setup
create table t (id int primary key, n int);
insert into t values (1,2);
create publication p for table t where (n > 0);
-- forward
alter publication p drop table t;
alter table t alter n type bigint;
alter table t drop constraint t_pkey;
alter table t add primary key (id) include (n);
alter publication p add table t;
