-- setup
create table t (id int primary key, a text);
create view v as select id, a from t;
grant select on v to reverse_reader;
comment on view v is 'x';
-- forward
drop view v;
create view v as select id, a from t;
grant select on v to reverse_reader;
comment on view v is 'x';
