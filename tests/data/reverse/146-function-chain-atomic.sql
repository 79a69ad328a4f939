-- setup
create table t (a int); insert into t values (1); create function f() returns int language sql begin atomic select max(a) from t; end; create function g() returns int language sql begin atomic select f() + 1; end; create view v as select g() as g;
-- forward
drop function f() cascade; create function f() returns bigint language sql begin atomic select max(a)::bigint from t; end;
