-- expect: except inheritedLocally
-- setup
create table p (id int, a text default 'x');
create table c (extra int) inherits (p);
insert into p values (1);
insert into c values (2,'y',3);
-- forward
alter table c no inherit p;
alter table p rename column a to b;
