-- setup
create table t (a int); create function g() returns setof t language sql begin atomic select * from t; end; create procedure p(x int) language sql as 'insert into t values (x)'; create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0', parallel = safe); comment on aggregate total(int) is 'sum'; grant execute on procedure p to reverse_reader;
-- forward
drop function g();
drop procedure p(int);
drop aggregate total(int);
