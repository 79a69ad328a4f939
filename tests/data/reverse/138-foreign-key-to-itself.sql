-- setup
create table t (id int, parent int);
insert into t values (1, null), (2, 1);
-- forward
alter table t add primary key (id);
alter table t add foreign key (parent) references t on delete cascade;
