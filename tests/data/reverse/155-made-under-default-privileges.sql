-- setup
alter default privileges grant select on tables to reverse_reader;
alter default privileges grant usage on types to reverse_writer;
alter default privileges grant usage on sequences to reverse_writer;
create table t (a int);
create view v as select a from t;
create view w as select a from t;
revoke select on w from reverse_reader;
create sequence q;
create type e as enum ('a');
create schema s;
-- forward
drop view v;
drop view w;
drop sequence q;
drop type e;
drop schema s;
