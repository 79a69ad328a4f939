-- migrate:up
drop view published cascade;
create view published with (security_invoker = true) as select id, author_id, slug, title, lang, published_at, (meta ->> 'views')::bigint as views from posts where published_at < now();
create view published_by_author as select a.handle, p.* from published p join authors a on a.id = p.author_id;
create view top_authors as select handle, sum(views) as views from published_by_author group by handle;

-- migrate:down
drop view published cascade;
create view published as select id, author_id, slug, title, published_at, (meta ->> 'views')::int as views from posts where published_at is not null;
create view published_by_author as select a.handle, p.* from published p left join authors a on a.id = p.author_id;
create view top_authors as select handle, sum(views) as views, count(*) as posts from published_by_author group by handle having sum(views) > 10;
