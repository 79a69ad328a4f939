-- expect: problem dropColumn
-- setup
create table t (a int, b int);
insert into t values (1,2);
-- forward
alter table t drop column b;
