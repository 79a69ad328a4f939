-- setup
create table t (a int, b int);
insert into t values (1,2);
-- forward
alter table t add unique nulls not distinct (a) include (b);
