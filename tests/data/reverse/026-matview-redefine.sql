-- setup
create table t (id int primary key, a text);
insert into t values (1,'x'),(2,'y');
create materialized view m as select id, a from t;
create unique index m_id on m (id);
create index m_a on m (a) with (fillfactor = 70);
alter materialized view m cluster on m_id;
create view on_m as select * from m;
-- forward
drop materialized view m cascade;
create materialized view m as select id, upper(a) as a from t with no data;
