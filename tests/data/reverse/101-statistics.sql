-- setup
create table t (a int, b int);
insert into t values (1,2);
create statistics st (ndistinct, dependencies) on a, b from t;
alter statistics st set statistics 50;
comment on statistics st is 'x';
-- forward
drop statistics st;
create statistics st2 on a, b from t;
alter table t alter a type bigint;
