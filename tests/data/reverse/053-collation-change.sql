-- setup
create table t (a text);
insert into t values ('x');
create index t_a on t (a);
-- forward
alter table t alter a type text collate "C";
