-- setup
create schema live;
create schema next;
create table live.t (a int);
create table next.t (a int, b int);
insert into live.t values (1);
create view live.v as select * from live.t;
-- forward
alter schema live rename to old;
alter schema next rename to live;
alter schema old rename to next;
drop view next.v;
create view live.v as select b from live.t;
