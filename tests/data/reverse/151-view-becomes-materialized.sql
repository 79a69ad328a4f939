-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create view v as select id, a from t;
grant select on v to reverse_reader;
create view top as select * from v;
-- forward
drop view v cascade;
create materialized view v as select id, a from t;
create unique index on v (id);
