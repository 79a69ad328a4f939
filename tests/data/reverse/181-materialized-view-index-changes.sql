-- setup
create table t (a int, b text);
insert into t values (1,'x');
create materialized view m as select * from t;
create index m_a on m (a);
comment on column m.b is 'bb';
alter materialized view m alter column b set statistics 33;
-- forward
drop index m_a;
create unique index m_u on m (a, b);
alter materialized view m set (fillfactor = 50);
alter materialized view m rename to mm;
alter materialized view mm rename column b to bb;
refresh materialized view mm;
