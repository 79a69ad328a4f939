-- setup
create table t (id serial primary key);
insert into t default values;
insert into t default values;
-- forward
alter table t alter id type bigint;
alter sequence t_id_seq as bigint;
