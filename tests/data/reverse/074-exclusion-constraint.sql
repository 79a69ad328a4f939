-- setup
create table t (during tsrange);
insert into t values ('[2026-01-01,2026-01-02)');
alter table t add constraint ex exclude using gist (during with &&) where (not isempty(during));
-- forward
alter table t drop constraint ex;
