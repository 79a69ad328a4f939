-- setup
create table u (id int primary key);
create table t (u_id int constraint fk references u on update cascade);
insert into u values (1);
insert into t values (1);
comment on constraint fk on t is 'why';
-- forward
alter table t drop constraint fk;
alter table t add constraint fk foreign key (u_id) references u on delete cascade;
