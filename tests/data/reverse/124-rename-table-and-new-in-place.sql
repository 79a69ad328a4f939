-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create index t_a on t (a);
-- forward
alter table t rename to t_old;
create table t (id bigint primary key, a text);
insert into t select * from t_old;
