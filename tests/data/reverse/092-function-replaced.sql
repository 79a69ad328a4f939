-- setup
create function f(x int default 1) returns int language sql stable cost 5 set search_path = '' as 'select x';
grant execute on function f to reverse_reader;
revoke execute on function f from public;
comment on function f is 'old';
-- forward
create or replace function f(x int default 2) returns int language plpgsql immutable as 'begin return x + 1; end'; comment on function f is 'new';
