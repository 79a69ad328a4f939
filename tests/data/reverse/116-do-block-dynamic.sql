-- setup
create table a (id int primary key);
create table b (id int primary key);
insert into a values (1);
insert into b values (2);
-- forward
do $$ declare r text; begin for r in select relname from pg_class where relname in ('a','b') and relkind = 'r' order by 1 loop execute format('alter table %I add column created_at timestamptz default now()', r); execute format('create index %I on %I (created_at)', r || '_created', r); end loop; end $$;
