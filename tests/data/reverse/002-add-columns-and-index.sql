-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
-- forward
alter table t add column b int, add column c text default 'n';
create index t_b on t (b) where c is not null;
comment on column t.b is 'new';
