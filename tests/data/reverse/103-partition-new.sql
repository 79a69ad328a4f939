-- setup
create table t (id int, at date) partition by range (at);
create table t1 partition of t for values from ('2026-01-01') to ('2026-02-01');
create index on t (at);
insert into t values (1,'2026-01-05');
-- forward
create table t2 partition of t for values from ('2026-02-01') to ('2026-03-01');
create table td partition of t default;
