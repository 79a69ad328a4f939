-- setup
create table t (id int primary key, n int default 3 check (n > 0), g int generated always as (n + 1) stored); insert into t(id,n) values (1,2); create policy p on t for select to reverse_reader using (n > 0); create function tf() returns trigger language plpgsql as 'begin return new; end'; create trigger tg before update of n on t for each row when (new.n > 0) execute function tf(); alter table t disable trigger tg; create view v as select n from t; create materialized view m as select n from v; create unique index m_n on m (n); grant select on m to reverse_reader; grant select (n) on v to reverse_writer; comment on view v is 'v';
-- forward
drop view v cascade;
drop policy p on t;
drop trigger tg on t;
alter table t drop column g;
alter table t alter n type bigint;
alter table t add column g bigint generated always as (n + 1) stored;
create policy p on t for select to reverse_reader using (n > 0);
create trigger tg before update of n on t for each row when (new.n > 0) execute function tf();
create view v as select n from t;
