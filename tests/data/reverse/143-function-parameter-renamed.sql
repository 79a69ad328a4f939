-- setup
create function f(a int, b int default 2) returns int language sql as 'select a + b'; grant execute on function f to reverse_reader; create table t (x int default f(1)); create procedure pr(inout x int) language plpgsql as 'begin x := 1; end';
-- forward
drop function f(int, int) cascade; create function f(first int, second int default 3) returns int language sql as 'select first + second'; drop procedure pr(int); create procedure pr(inout y int) language plpgsql as 'begin y := 2; end';
