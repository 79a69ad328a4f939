-- setup
create type e as enum ('a','b');
create domain d as text collate "C" default 'x' not null check (value <> '');
create type c as (a int, t text collate "C");
comment on type e is 'e';
grant usage on domain d to reverse_reader;
-- forward
drop type e;
drop domain d;
drop type c;
