-- setup
create table t (id serial primary key, a text);
insert into t(a) values ('x'),('y');
-- forward
alter table t alter id drop default;
drop sequence t_id_seq;
alter table t alter id add generated always as identity (start 3);
