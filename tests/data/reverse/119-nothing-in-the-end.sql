-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
grant select on t to reverse_reader;
-- forward
create table tmp (id int);
drop table tmp;
grant insert on t to reverse_writer;
revoke insert on t from reverse_writer;
alter table t add column z int;
alter table t drop column z;
