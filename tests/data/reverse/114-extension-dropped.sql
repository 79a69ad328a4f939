-- setup
create extension pg_trgm;
create extension citext;
create table t (id int, a text, c citext default 'x');
insert into t values (1,'x');
create index t_a on t using gin (a gin_trgm_ops);
-- forward
drop extension pg_trgm cascade;
