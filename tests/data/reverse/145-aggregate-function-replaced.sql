-- setup
create function plus(a int, b int) returns int language sql as 'select a + b';
create aggregate total(int) (sfunc = plus, stype = int);
create view v as select total(x) from generate_series(1,3) x;
-- forward
create or replace function plus(a int, b int) returns int language sql as 'select a - b';
create aggregate other(int) (sfunc = plus, stype = int, initcond = '5');
