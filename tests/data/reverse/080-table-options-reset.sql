-- setup
create table t (a int, b text) with (fillfactor = 80, autovacuum_enabled = off, toast.autovacuum_enabled = off);
insert into t values (1,'x');
alter table t enable row level security;
-- forward
alter table t reset (fillfactor, autovacuum_enabled, toast.autovacuum_enabled);
alter table t disable row level security;
