-- setup
create type state as enum ('new','old');
create table t (id int, s state default 'new');
insert into t values (1,'new');
-- forward
alter type state rename value 'new' to 'fresh';
