-- setup
create type pair as (a int, b text);
create function f(p pair) returns int language sql as 'select (p).a';
grant usage on type pair to reverse_reader;
-- forward
alter type pair rename attribute a to x;
alter type pair add attribute c int;
create type other as (z pair);
