-- expect: problem may lose
-- setup
create table t (a json);
insert into t values ('{"a": 1,  "a":2}');
-- forward
alter table t alter a type jsonb;
