-- setup
create domain d as int default 1;
create table t (a d);
insert into t values (2);
-- forward
alter domain d add constraint pos check (value > 0);
alter domain d set default 3;
alter domain d set not null;
comment on domain d is 'n';
