-- setup
create table t (a int);
insert into t values (-1);
-- forward
alter table t add constraint pos check (a > 0) not valid;
comment on constraint pos on t is 'x';
