-- as: superuser
-- setup
create schema ext;
create extension citext;
create table t (c citext unique);
insert into t values ('X');
create view v as select c from t where c = 'x';
-- forward
alter extension citext set schema ext;
