-- setup
create table t (a int, b int);
create schema s;
create function f() returns int language sql as 'select 1';
create sequence q;
grant select on t to reverse_reader;
grant update (b) on t to reverse_writer;
-- forward
grant insert, delete on t to reverse_writer with grant option;
revoke select on t from reverse_reader;
grant select (a) on t to public;
revoke update (b) on t from reverse_writer;
grant usage, create on schema s to reverse_reader;
revoke execute on function f() from public;
grant usage on sequence q to reverse_writer;
revoke truncate on t from current_user;
