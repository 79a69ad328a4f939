-- setup
create table t (id int primary key);
insert into t values (1);
-- forward
create unlogged table u (id int primary key, t_id int);
create table v2 (id int) with (fillfactor=50);
alter table t set unlogged;
