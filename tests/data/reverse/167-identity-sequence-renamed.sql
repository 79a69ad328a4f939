-- setup
create table t (id int generated always as identity);
insert into t default values;
create schema s;
-- forward
alter sequence t_id_seq rename to numbers;
alter table t set schema s;
alter table s.t rename to tt;
alter table s.tt alter id set start with 20;
