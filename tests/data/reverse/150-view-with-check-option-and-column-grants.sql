-- setup
create table t (id int primary key, a text);
create view v ("The Id", a) as select id, a from t where id > 0 with local check option;
grant select ("The Id"), update (a) on v to reverse_reader;
comment on column v."The Id" is 'k';
-- forward
drop view v;
create view v as select a from t;
