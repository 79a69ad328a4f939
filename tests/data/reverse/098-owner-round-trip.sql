-- setup
create table t (id serial primary key, a int);
insert into t(a) values (1);
grant select on t to reverse_boss;
grant update (a) on t to reverse_boss;
grant all on t to reverse_reader;
create view v as select * from t;
create function f() returns int language sql as 'select 1';
create schema s;
create type e as enum ('a');
-- forward
grant create on schema public to reverse_boss;
alter table t owner to reverse_boss;
alter view v owner to reverse_boss;
alter function f() owner to reverse_boss;
alter type e owner to reverse_boss;
