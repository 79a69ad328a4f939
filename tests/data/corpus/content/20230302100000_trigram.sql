-- migrate:up
create extension if not exists pg_trgm;
create extension if not exists unaccent;
create index posts_title_trgm on posts using gin (title gin_trgm_ops);

-- migrate:down
drop index posts_title_trgm;
drop extension unaccent;
drop extension pg_trgm;
