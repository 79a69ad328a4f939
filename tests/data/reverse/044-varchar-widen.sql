-- setup
create table t (id int, a varchar(10));
insert into t values (1,'x');
create index t_a on t (a);
create index t_l on t (lower(a));
create view v as select id from t;
-- forward
alter table t alter a type varchar(20);
