-- setup
create table t (id int, a int) partition by range (id);
create table t1 partition of t for values from (1) to (10);
create table t2 partition of t for values from (10) to (20);
insert into t values (1,1),(11,2);
-- forward
create index t_a on only t (a);
create index t1_a on t1 (a);
alter index t_a attach partition t1_a;
create index t2_a on t2 (a);
alter index t_a attach partition t2_a;
