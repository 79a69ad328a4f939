-- setup
create table t (id int constraint pk primary key, a int constraint pos check (a > 0)) partition by range (id);
create table t1 partition of t for values from (1) to (10);
create index t_a on t (a);
insert into t values (1,1);
-- forward
alter table t rename constraint pk to t_pk;
alter table t rename constraint pos to positive;
alter index t_a rename to t_a_idx2;
alter index t1_a_idx rename to t1_other;
alter table t rename column a to b;
alter table t1 rename to t_one;
alter table t drop constraint positive;
