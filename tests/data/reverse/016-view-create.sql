-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
-- forward
create view v as select id from t;
create view w as select * from v;
create materialized view m as select * from w;
create index on m (id);
