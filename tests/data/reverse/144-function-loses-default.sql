-- setup
create function f(a int, b int) returns int language sql as 'select a + b';
create view v as select f(1, 2);
-- forward
create or replace function f(a int, b int default 3) returns int language sql as 'select a + b';
