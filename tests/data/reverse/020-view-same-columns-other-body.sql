-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create view v as select id, a from t where a <> '';
create view w as select * from v;
grant select on v to reverse_reader;
-- forward
create or replace view v as select id, upper(a) as a from t;
