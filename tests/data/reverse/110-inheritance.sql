-- setup
create table p (id int, a text default 'x');
create table c (extra int) inherits (p);
create table d (id int, a text);
insert into p values (1);
insert into c values (2,'y',3);
insert into d values (4,'z');
-- forward
alter table d inherit p;
alter table p add column n int;
alter table p alter a set default 'w';
