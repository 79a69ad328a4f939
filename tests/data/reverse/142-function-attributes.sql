-- setup
create schema s;
create function f(a int) returns int language sql as 'select a';
-- forward
alter function f(int) security definer stable strict parallel safe cost 99 set work_mem = '8MB';
alter function f(int) set schema s;
alter function s.f(int) rename to ff;
