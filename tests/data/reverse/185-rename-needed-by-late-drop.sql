-- setup
create table t (id int, kind text);
insert into t values (1,'a');
create view v as select kind from t;
-- forward
create schema types;
create type types.kind as enum ('a','b');
drop view v;
alter table t alter kind type types.kind using kind::types.kind;
create schema app;
alter table t set schema app;
alter table app.t rename to things;
