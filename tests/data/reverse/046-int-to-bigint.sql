-- setup
create table t (id int primary key, n int default 4);
insert into t values (1,2);
create table c (t_id int references t);
insert into c values (1);
create index on t (n);
-- forward
alter table t alter id type bigint, alter n type bigint;
alter table c alter t_id type bigint;
