-- setup
create type state as enum ('new','old');
create table t (id int, s state default 'new' check (s <> 'old'));
insert into t values (1,'new');
create index t_s on t (s);
create function f(s state) returns text language sql as 'select s::text';
grant usage on type state to reverse_reader;
comment on type state is 'states';
-- forward
create type state_new as enum ('new','mid','old');
alter table t drop constraint t_s_check;
alter table t alter s drop default;
alter table t alter s type state_new using s::text::state_new;
alter table t alter s set default 'new';
drop function f(state);
drop type state;
alter type state_new rename to state;
alter table t add constraint t_s_check check (s <> 'old');
