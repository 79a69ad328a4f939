-- setup
create table t (id int, a text);
insert into t values (1,'x');
-- forward
alter table t add primary key (id);
