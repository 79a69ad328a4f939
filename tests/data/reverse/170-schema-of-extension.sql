-- setup
create schema ext;
create extension citext schema ext;
create table t (c ext.citext unique);
insert into t values ('X');
-- forward
alter table t alter c type text;
create extension hstore schema ext;
alter table t add column h ext.hstore;
