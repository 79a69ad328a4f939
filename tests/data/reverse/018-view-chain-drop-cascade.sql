-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create view v as select id, a from t;
create view w as select id from v where a <> '';
create materialized view m as select * from w;
create unique index m_id on m (id);
grant select on w to reverse_reader, reverse_writer;
comment on index m_id is 'key';
-- forward
drop view v cascade;
