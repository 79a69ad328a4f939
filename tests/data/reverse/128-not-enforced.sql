-- since: 18
-- setup
create table t (a int);
insert into t values (1);
create table u (id int primary key);
create table f (u int constraint fk references u);
alter table t add constraint pos check (a > 5) not enforced;
-- forward
alter table f alter constraint fk not enforced;
alter table t drop constraint pos;
