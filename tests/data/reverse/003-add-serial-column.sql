-- setup
create table t (a text);
insert into t values ('x'),('y');
-- forward
alter table t add column id bigserial;
alter table t add primary key (id);
