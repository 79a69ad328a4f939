-- setup
create table t (id int primary key, a text, b text);
insert into t values (1,'x','y');
create view v as select id, a from t;
grant select on v to reverse_reader;
create view w as select * from v;
comment on view w is 'on top';
-- forward
create or replace view v as select id, a, b from t;
