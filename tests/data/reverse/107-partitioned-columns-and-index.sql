-- setup
create table t (id int, a text) partition by hash (id);
create table t0 partition of t for values with (modulus 2, remainder 0);
create table t1 partition of t for values with (modulus 2, remainder 1);
insert into t select g, g::text from generate_series(1,9) g;
-- forward
alter table t add column b int default 3 not null;
alter table t rename column a to name;
create index t_name on t (name);
alter table t add constraint c check (b > 0);
alter table t alter name set default 'z';
alter table t alter name set not null;
