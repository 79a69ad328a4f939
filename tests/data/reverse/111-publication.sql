-- setup
create table t (id int primary key, a int);
create table u (id int primary key);
create publication pub for table t with (publish = 'insert, update');
-- forward
alter publication pub add table u;
alter publication pub set (publish = 'insert');
alter publication pub set table u, t where (a > 1);
