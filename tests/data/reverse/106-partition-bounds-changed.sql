-- setup
create table t (id int, a text) partition by list (a);
create table t1 partition of t for values in ('a','b');
insert into t values (1,'a');
-- forward
alter table t detach partition t1;
alter table t attach partition t1 for values in ('a','b','c');
