-- expect: problem may lose
-- setup
create type s as enum ('a','b','c');
create table t (s s);
insert into t values ('a');
-- forward
alter type s rename to s_old;
create type s as enum ('a','b');
alter table t alter s type s using s::text::s;
drop type s_old;
