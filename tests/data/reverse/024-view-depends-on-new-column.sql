-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create view v as select id, a from t;
grant select on v to reverse_reader;
-- forward
alter table t add column hidden boolean not null default false;
create or replace view v as select id, a from t where not hidden;
