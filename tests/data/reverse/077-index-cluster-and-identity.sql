-- setup
create table t (a int not null, b text not null);
insert into t values (1,'x');
create unique index i on t (a);
create unique index j on t (b);
alter table t cluster on i;
alter table t replica identity using index i;
-- forward
alter table t cluster on j;
alter table t replica identity using index j;
