-- migrate:up
create view published as select id, author_id, slug, title, published_at, (meta ->> 'views')::int as views from posts where published_at is not null;
create view published_by_author as select a.handle, p.* from published p left join authors a on a.id = p.author_id;
create view top_authors as select handle, sum(views) as views, count(*) as posts from published_by_author group by handle having sum(views) > 10;
create recursive view numbers (n) as select 1 union all select n + 1 from numbers where n < 5;
comment on column published.views is 'from meta';
grant select on published, top_authors to public;

-- migrate:down
drop view numbers, top_authors, published_by_author, published;
