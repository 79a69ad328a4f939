-- setup
create table t (a int);
grant select on t to reverse_reader;
create function f() returns int language sql as 'select 1';
grant execute on function f() to reverse_reader with grant option;
-- forward
grant select on t to reverse_reader with grant option;
revoke grant option for execute on function f() from reverse_reader;
