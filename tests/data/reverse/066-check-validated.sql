-- setup
create table t (a int);
insert into t values (1);
alter table t add constraint pos check (a > 0) not valid;
alter table t add constraint f check (a < 9) not valid;
-- forward
alter table t validate constraint pos;
