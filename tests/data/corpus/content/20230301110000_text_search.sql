-- migrate:up
create text search dictionary english_plain (template = snowball, language = english, stopwords = english);
create text search configuration site (copy = pg_catalog.english);
alter text search configuration site alter mapping for asciiword, word with english_plain;
alter table posts add column document tsvector generated always as (to_tsvector('pg_catalog.english', coalesce(title, '') || ' ' || coalesce(body, ''))) stored;
create index posts_document on posts using gin (document);

-- migrate:down
alter table posts drop column document;
drop text search configuration site;
drop text search dictionary english_plain;
