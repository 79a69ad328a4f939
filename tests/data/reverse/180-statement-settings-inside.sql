-- setup
create schema app;
create table app.t (a int);
insert into app.t values (1);
-- forward
set local search_path = app, pg_catalog;
alter table t add column b text;
create function f() returns setof t language sql stable as 'select * from t';
create view v as select f() as f;
create domain d as text;
alter table t add column c d;
