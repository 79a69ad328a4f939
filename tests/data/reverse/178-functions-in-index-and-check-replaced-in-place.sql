-- setup
create function ok(a text) returns boolean language sql immutable as $$ select a <> '' $$; create table t (a text check (ok(a))); insert into t values ('x'); create index on t (ok(a));
-- forward
create or replace function ok(a text) returns boolean language sql immutable as $$ select length(a) > 0 $$;
