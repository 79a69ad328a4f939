-- setup
create table t (a numeric(6,2));
insert into t values (12.34);
-- forward
alter table t alter a type numeric(12,4);
