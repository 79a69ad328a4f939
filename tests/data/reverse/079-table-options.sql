-- setup
create table t (a int, b text) with (fillfactor = 80);
insert into t values (1,'x');
-- forward
alter table t set (autovacuum_enabled = false, fillfactor = 90, toast.autovacuum_enabled = false);
alter table t set unlogged;
alter table t enable row level security;
alter table t force row level security;
alter table t replica identity full;
