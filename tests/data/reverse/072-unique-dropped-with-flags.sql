-- setup
create table t (a int not null, b int);
insert into t values (1,2);
alter table t add constraint uq unique (a) with (fillfactor = 60);
alter table t replica identity using index uq;
alter table t cluster on uq;
comment on index uq is 'idx';
comment on constraint uq on t is 'con';
-- forward
alter table t drop constraint uq;
