-- setup
create function f(a text) returns text language plpgsql as $f$ begin return format('%s $1 ''%I''', a, 'x'); end $f$; create table t (a text check (a like '%x%')); insert into t values ('axb');
-- forward
drop function f(text);
alter table t drop constraint t_a_check;
