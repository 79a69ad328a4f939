-- setup
create table u (id int primary key);
create table t (u_id int);
insert into u values (1);
insert into t values (1);
-- forward
alter table t add constraint fk foreign key (u_id) references u on delete set null deferrable initially deferred not valid;
alter table t validate constraint fk;
