-- setup
create schema s;
create table t (id int);
create table s.t (id int);
insert into t values (1);
insert into s.t values (2);
-- forward
alter table s.t rename to old_t;
alter table t set schema s;
alter table s.t rename to t2;
alter table s.old_t set schema public;
alter table old_t rename to t;
