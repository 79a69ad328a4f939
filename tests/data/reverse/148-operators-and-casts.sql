-- setup
create type e as enum ('a','b');
create function e_int(e) returns int language sql immutable as 'select 1';
create function eq(e, text) returns boolean language sql immutable as 'select true';
-- forward
create cast (e as int) with function e_int(e);
create operator public.=~= (leftarg = e, rightarg = text, function = eq);
create collation de from "C";
create text search configuration cfg (copy = simple);
