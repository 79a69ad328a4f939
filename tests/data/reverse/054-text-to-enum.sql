-- setup
create table t (id int, s text default 'new' not null);
insert into t values (1,'new'),(2,'old');
create view v as select id from t where s = 'new';
create index t_s on t (s) where s = 'new';
-- forward
create type state as enum ('new','old');
drop view v;
drop index t_s;
alter table t alter s drop default;
alter table t alter s type state using s::state;
alter table t alter s set default 'new';
create index t_s on t (s) where s = 'new';
create view v as select id from t where s = 'new';
