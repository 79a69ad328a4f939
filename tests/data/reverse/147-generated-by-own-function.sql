-- expect: except columnOrder
-- setup
create function f(a int) returns int language sql immutable as 'select a * 2';
create table t (a int, b int generated always as (f(a)) stored, c int);
insert into t values (1);
-- forward
alter table t drop column b;
drop function f(int);
alter table t add column b int;
alter table t drop column b;
