-- setup
create table t (id int primary key, a varchar(10) not null default 'q');
insert into t values (1,'x');
create view v as select a from t;
grant select on v to reverse_reader;
-- forward
drop view v;
alter table t rename column a to name;
alter table t alter name type text, alter name drop not null, alter name drop default;
alter table t rename to people;
create view v as select name as a from people;
create index people_name on people (name);
