-- expect: except enumValueAdded
-- setup
create type state as enum ('new','old');
create table t (id int, s state);
insert into t values (1,'new');
-- forward
alter type state add value if not exists 'mid' before 'old';
