-- setup
create table t (id int primary key, a int, b int);
create publication pub for table t (id, a) where (id > 0);
comment on publication pub is 'p';
create publication other for table t;
-- forward
drop publication pub;
alter table t alter a type bigint;
