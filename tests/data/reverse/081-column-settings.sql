-- setup
create table t (a int, b text);
insert into t values (1,'x');
alter table t alter a set statistics 7;
-- forward
alter table t alter b set storage external, alter b set compression pglz, alter a set statistics 500, alter a set (n_distinct = 5);
