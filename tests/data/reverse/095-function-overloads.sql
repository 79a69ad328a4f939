-- setup
create function f(x int) returns int language sql as 'select 1';
create function f(x text) returns int language sql as 'select 2';
-- forward
drop function f(text);
create function f(x bigint, variadic y text[]) returns int language sql as 'select 3';
alter function f(int) rename to g;
