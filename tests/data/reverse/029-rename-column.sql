-- setup
create table t (id serial primary key, a text check (a <> '')); insert into t(a) values ('x'); create view v as select a from t; create index t_a on t (lower(a)); create function f() returns text language sql begin atomic select a from t; end;
-- forward
alter table t rename column a to name;
