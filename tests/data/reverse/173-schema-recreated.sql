-- setup
create schema s;
create view s.v as select 1 as one;
grant usage on schema s to reverse_reader;
create function s.f() returns int language sql as 'select 2';
create sequence s.q;
-- forward
drop schema s cascade;
create schema s;
create view s.v as select 2 as two;
