-- setup
create table t (id int primary key) partition by range (id);
create table t1 partition of t for values from (1) to (10);
insert into t values (1);
create table c (t_id int constraint fk references t);
insert into c values (1);
-- forward
alter table c drop constraint fk;
