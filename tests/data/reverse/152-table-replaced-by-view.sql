-- expect: problem dropTable
-- setup
create table t (id int primary key, a text);
create table u (id int);
insert into t values (1,'x');
-- forward
drop table t;
create view t as select id from u;
