-- setup
create table t (a int, b text);
insert into t values (1,'x');
create index i on t using btree (lower(b) text_pattern_ops desc nulls last, a) include (b) with (fillfactor = 50) where a > 0;
alter index i alter column 1 set statistics 300;
comment on index i is 'why';
create index j on t (a);
alter table t cluster on j;
-- forward
drop index i;
drop index j;
