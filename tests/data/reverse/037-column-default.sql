-- setup
create table t (id int, a text default 'x', b int);
insert into t values (1);
-- forward
alter table t alter a set default 'y', alter b set default 7;
alter table t alter id set default 0;
