-- migrate:up
create table bodies (post_id bigint primary key references posts on delete cascade, body text, document tsvector generated always as (to_tsvector('pg_catalog.english', coalesce(body, ''))) stored);
insert into bodies (post_id, body) select id, body from posts where body is not null;
alter table posts drop column document;
alter table posts drop column body;

-- migrate:down
alter table posts add column body text;
update posts p set body = b.body from bodies b where b.post_id = p.id;
drop table bodies;
