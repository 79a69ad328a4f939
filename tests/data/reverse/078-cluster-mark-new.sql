-- setup
create table t (a int not null);
create unique index i on t (a);
-- forward
alter table t cluster on i;
alter table t replica identity using index i;
