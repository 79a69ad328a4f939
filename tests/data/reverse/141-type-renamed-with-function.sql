-- setup
create type mood as enum ('ok','bad');
create function f(m mood) returns mood language sql as 'select m';
create table t (m mood default 'ok');
insert into t values ('ok');
create view v as select f(m) from t;
-- forward
alter type mood rename to feeling;
comment on function f(feeling) is 'x';
create or replace function f(m feeling) returns feeling language sql immutable as 'select m';
grant execute on function f(feeling) to reverse_reader;
