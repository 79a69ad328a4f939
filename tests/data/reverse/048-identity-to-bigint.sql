-- setup
create table t (id int generated always as identity primary key);
insert into t default values;
-- forward
alter table t alter id type bigint;
