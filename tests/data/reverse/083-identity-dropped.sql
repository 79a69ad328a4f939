-- setup
create table t (id int generated always as identity (start 10 increment 5) primary key, a text);
insert into t(a) values ('x'),('y');
-- forward
alter table t alter id drop identity;
