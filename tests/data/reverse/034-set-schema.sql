-- setup
create schema s;
create table t (id serial primary key, a text);
insert into t(a) values ('x');
create index t_a on t (a);
create view v as select * from t;
create function f() returns int language sql as 'select 1';
create type e as enum ('a');
-- forward
alter table t set schema s;
alter view v set schema s;
alter function f() set schema s;
alter type e set schema s;
