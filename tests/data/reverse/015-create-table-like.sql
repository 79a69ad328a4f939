-- setup
create table u (id int primary key, a text default 'q' check (a <> 'no'));
insert into u values (1,'x');
create index on u (a);
-- forward
create table t (like u including all);
create table c as select * from u;
