-- setup
create schema old;
create table old.t (id int primary key);
insert into old.t values (1);
comment on schema old is 'was here';
grant usage on schema old to reverse_reader;
-- forward
create schema fresh;
alter table old.t set schema fresh;
drop schema old;
