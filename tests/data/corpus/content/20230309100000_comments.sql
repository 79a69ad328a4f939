-- migrate:up
comment on table posts is 'what people read; "quotes", ''ticks'', \backslash and ünïcode';
comment on column posts.body is e'two\nlines';
comment on constraint posts_pkey on posts is 'the key';
comment on index posts_author is null;
comment on schema public is 'everything is here';
comment on sequence posts_id_seq is 'counts posts';
comment on extension pg_trgm is 'for the search box';
comment on text search configuration site is 'our own';

-- migrate:down
comment on table posts is null;
comment on column posts.body is null;
comment on constraint posts_pkey on posts is null;
