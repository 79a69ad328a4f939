-- expect: problem may lose
-- setup
create table t (a varchar(20));
insert into t values ('x');
-- forward
alter table t alter a type varchar(5) using a::varchar(5);
