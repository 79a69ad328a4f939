-- setup
create table u (id int primary key);
insert into u values (1);
create table t (id int, u_id int constraint fk references u on delete cascade) partition by range (id);
create table t1 partition of t for values from (1) to (10);
insert into t values (1,1);
-- forward
alter table t drop constraint fk;
