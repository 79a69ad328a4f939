-- setup
create table t (id int primary key, a varchar(10) default 'q' check (a <> 'no'));
insert into t values (1,'x');
create view v as select a from t;
create view w as select a || '' as b from v;
grant select on w to reverse_reader;
create index t_a on t (a);
-- forward
drop view v cascade;
alter table t alter a type text;
create view v as select a from t;
