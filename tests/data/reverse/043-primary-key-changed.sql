-- setup
create table t (id int primary key, a uuid not null default gen_random_uuid());
insert into t values (1);
create view v as select id, count(*) from t group by id;
-- forward
alter table t drop constraint t_pkey;
alter table t add primary key (a);
alter table t add unique (id);
