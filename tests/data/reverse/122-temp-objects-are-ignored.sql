-- setup
create table t (id int primary key);
insert into t values (1);
-- forward
create temp table scratch on commit drop as select * from t;
alter table t add column b int;
