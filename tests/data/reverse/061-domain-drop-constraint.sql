-- setup
create domain d as int constraint pos check (value > 0) not null;
create table t (a d);
insert into t values (2);
comment on constraint pos on domain d is 'why';
-- forward
alter domain d drop constraint pos;
alter domain d drop not null;
