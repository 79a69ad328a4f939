-- setup
create table t (id int primary key, n int, s text); insert into t values (1,2,'x'); alter table t enable row level security; alter table t disable row level security; create function tf() returns trigger language plpgsql as 'begin return new; end';
-- forward
alter table t alter n type bigint; create policy p on t using (n > 0); create trigger tg before update of n on t for each row when (new.n > 0) execute function tf(); create function total() returns numeric language sql begin atomic select sum(n) from t; end; create view v as select n from t; create materialized view m as select n from v;
