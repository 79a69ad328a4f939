-- setup
create domain code as varchar(5);
create table t (a code default 'x', b int);
insert into t values ('abc');
create index on t (a);
-- forward
create domain code2 as varchar(10);
alter table t alter a drop default;
alter table t alter a type code2;
drop domain code;
alter domain code2 rename to code;
alter table t alter a set default 'y';
