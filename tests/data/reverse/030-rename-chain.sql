-- setup
create table a (id int);
create table b (id int);
create table c (id int);
insert into a values (1);
insert into b values (2);
-- forward
alter table a rename to tmp;
alter table b rename to a;
alter table c rename to b;
alter table tmp rename to c;
