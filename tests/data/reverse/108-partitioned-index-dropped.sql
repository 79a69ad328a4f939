-- setup
create table t (id int, a text) partition by hash (id);
create table t0 partition of t for values with (modulus 2, remainder 0);
create table t1 partition of t for values with (modulus 2, remainder 1);
insert into t select g, g::text from generate_series(1,9) g;
create index t_a on t (a);
comment on index t0_a_idx is 'p0';
-- forward
drop index t_a;
