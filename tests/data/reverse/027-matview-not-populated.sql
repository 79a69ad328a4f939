-- setup
create table t (id int primary key);
insert into t values (1);
create materialized view m as select id from t with no data;
-- forward
refresh materialized view m;
