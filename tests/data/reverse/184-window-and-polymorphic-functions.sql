-- setup
create function poly(anyelement, variadic anyarray) returns anyelement language sql as 'select $1'; create function tab() returns table (x int, y text) language sql as $$ select 1, 'a' $$; create function outs(out a int, out b int) language sql as 'select 1, 2';
-- forward
drop function poly(anyelement, variadic anyarray);
drop function tab();
create function tab() returns table (x int) language sql as 'select 1';
drop function outs();
