-- setup
create table t (a int constraint pos check (a > 0));
insert into t values (1);
-- forward
alter table t drop constraint pos;
alter table t add constraint pos check (a > -5 and a is not null);
