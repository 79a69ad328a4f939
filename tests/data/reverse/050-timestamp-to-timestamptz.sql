-- setup
create table t (a timestamp default now());
insert into t values ('2026-01-01 10:00:00.123');
-- forward
set local timezone = 'UTC';
alter table t alter a type timestamptz;
