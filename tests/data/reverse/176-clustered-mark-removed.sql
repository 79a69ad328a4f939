-- setup
create table t (a int not null, b int);
create unique index i on t (a);
alter table t cluster on i;
alter table t replica identity using index i;
-- forward
alter table t set without cluster;
alter table t replica identity nothing;
alter index i set (fillfactor = 44);
