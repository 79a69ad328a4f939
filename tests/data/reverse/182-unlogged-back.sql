-- setup
create unlogged table t (id int generated always as identity primary key, s serial);
insert into t default values;
-- forward
alter table t set logged;
