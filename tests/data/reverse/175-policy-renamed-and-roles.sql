-- setup
create table t (a int);
create policy one on t to reverse_reader, reverse_writer using (a in (select 1));
create policy two on t for delete using (true);
-- forward
alter policy one on t rename to uno;
alter policy uno on t to reverse_boss;
drop policy two on t;
create policy two on t for delete using (false);
create table allowed (a int);
alter policy uno on t using (a in (select a from allowed));
