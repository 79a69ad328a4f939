-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create table c (t_id int references t);
insert into c values (1);
comment on constraint t_pkey on t is 'key';
-- forward
alter table t drop constraint t_pkey cascade;
alter table t alter id drop not null;
