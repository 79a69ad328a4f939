-- setup
create table u (id int primary key);
create table t (u_id int constraint fk references u);
insert into u values (1);
insert into t values (1);
-- forward
alter table t alter constraint fk deferrable initially deferred;
