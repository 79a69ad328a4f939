-- setup
create table t (a text);
insert into t values ('x'),('y');
-- forward
alter table t add column id bigint generated always as identity primary key;
