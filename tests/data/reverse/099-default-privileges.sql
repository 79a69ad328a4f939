-- setup
create schema s;
alter default privileges in schema s grant select on tables to reverse_reader;
create table s.t (a int);
create view s.v as select * from s.t;
-- forward
alter default privileges in schema s grant insert on tables to reverse_writer;
alter default privileges revoke execute on functions from public;
alter default privileges in schema s revoke select on tables from reverse_reader;
drop view s.v;
create function s.f() returns int language sql as 'select 1';
