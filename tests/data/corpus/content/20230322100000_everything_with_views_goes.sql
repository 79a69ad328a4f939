-- migrate:up
drop view if exists visible_posts cascade;
drop materialized view if exists author_stats cascade;

-- migrate:down
select 1;
