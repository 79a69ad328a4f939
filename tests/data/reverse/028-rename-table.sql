-- setup
create table t (id serial primary key, a text);
insert into t(a) values ('x');
create view v as select a from t;
create index t_a on t (a);
create table c (t_id int references t);
insert into c values (1);
-- forward
alter table t rename to things;
