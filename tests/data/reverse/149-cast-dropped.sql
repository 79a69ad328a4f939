-- setup
create type e as enum ('a','b');
create function e_int(e) returns int language sql immutable as 'select 1';
create cast (e as int) with function e_int(e);
-- forward
drop cast (e as int);
