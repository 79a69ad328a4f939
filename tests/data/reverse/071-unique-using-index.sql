-- setup
create table t (a int not null, b int);
insert into t values (1,2);
create unique index t_a on t (a);
comment on index t_a is 'kept';
alter table t cluster on t_a;
-- forward
alter table t add constraint t_a_key unique using index t_a;
