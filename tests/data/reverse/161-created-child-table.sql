-- setup
create table p (id int primary key, a text not null);
insert into p values (1,'x');
-- forward
create table c (extra int, constraint cc check (extra > 0)) inherits (p);
alter table p add constraint pc check (id > 0);
alter table p add column n int default 3;
