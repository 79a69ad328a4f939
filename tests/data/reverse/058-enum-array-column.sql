-- setup
create type tag as enum ('a','b');
create table t (id int, tags text[] default '{}');
insert into t values (1,'{a,b}');
-- forward
alter table t alter tags drop default;
alter table t alter tags type tag[] using tags::tag[];
alter table t alter tags set default '{}';
