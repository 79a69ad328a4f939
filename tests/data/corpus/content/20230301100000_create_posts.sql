-- migrate:up
create table authors (
    id bigint generated always as identity primary key,
    handle text not null unique,
    bio text
);
create table posts (
    id bigint generated always as identity primary key,
    author_id bigint references authors on delete set null,
    slug text,
    title text,
    body text,
    lang text default 'english',
    published_at timestamptz,
    meta jsonb
);
create index posts_author on posts (author_id);
insert into authors (handle, bio) select 'author' || i, case when i % 3 > 0 then repeat('word ' || i || ' ', i) end from generate_series(1, 60) i;
insert into posts (author_id, slug, title, body, published_at, meta)
select case when i % 9 > 0 then 1 + i % 60 end, 'post-' || i, 'Title №' || i, repeat(md5(i::text) || e'\n', 1 + i % 90),
    case when i % 4 > 0 then timestamptz '2020-02-29 12:00+00' + i * interval '26 hours' end,
    case when i % 5 > 0 then jsonb_build_object('views', i * 3, 'tags', array['a', 'b' || i % 10]) end
from generate_series(1, 450) i;

-- migrate:down
drop table posts;
drop table authors;
