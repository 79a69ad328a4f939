-- setup
create table t (id int primary key, a text);
insert into t values (1,'x'),(2,'y');
-- forward
alter table t add column b int default 5 not null;
