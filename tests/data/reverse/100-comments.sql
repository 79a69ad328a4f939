-- setup
create table t (id int primary key, a text);
create view v as select * from t;
create function f() returns int language sql as 'select 1';
comment on table t is 'old '' quote';
comment on column t.a is 'a';
create schema s;
-- forward
comment on table t is 'new';
comment on column t.a is null;
comment on column t.id is 'key';
comment on constraint t_pkey on t is 'c';
comment on index t_pkey is 'i';
comment on view v is 'v';
comment on function f() is 'f';
comment on schema s is 's';
