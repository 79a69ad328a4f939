-- setup
create table u (id int primary key);
create table t (u_id int);
insert into u values (1);
insert into t values (1);
alter table t add constraint fk foreign key (u_id) references u not valid;
comment on constraint fk on t is 'f';
-- forward
alter table t validate constraint fk;
