-- setup
create sequence q;
create table t (id int default nextval('q'), a text default now()::text);
insert into t values (1);
-- forward
alter table t alter id drop default, alter a drop default;
drop sequence q;
