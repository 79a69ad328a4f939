-- setup
create type s as enum ('a','b'); create table t (id int, s s not null default 'a'); insert into t values (1,'a'); create view v as select id, s from t; grant select on v to reverse_reader; create function f(x s) returns boolean language sql immutable as $$ select x = 'a' $$; create index on t (f(s)); create table u (ss s[]); insert into u values ('{a,b}');
-- forward
create type s2 as enum ('a','b','c');
drop view v;
drop index t_f_idx;
drop function f(s);
alter table t alter s drop default, alter s type s2 using s::text::s2, alter s set default 'c';
alter table u alter ss type s2[] using ss::text[]::s2[];
drop type s;
alter type s2 rename to s;
create view v as select id, s from t;
grant select on v to reverse_reader;
