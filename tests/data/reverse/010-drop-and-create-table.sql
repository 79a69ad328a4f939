-- expect: problem dropped and made again
-- setup
create table t (a int, b int);
insert into t values (1,2);
-- forward
drop table t;
create table t (a int);
