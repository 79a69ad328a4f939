-- setup
create function f(x int) returns int language sql immutable as 'select x';
create table t (a int check (f(a) > 0));
insert into t values (1);
create view v as select f(a) as fa from t;
create index t_f on t (f(a));
grant select on v to reverse_reader;
-- forward
drop function f(int) cascade;
create function f(x int) returns bigint language sql immutable as 'select x::bigint';
