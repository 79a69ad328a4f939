-- expect: problem dropTable
-- setup
create table t (a int, b int);
insert into t values (1,2);
-- forward
drop table t;
