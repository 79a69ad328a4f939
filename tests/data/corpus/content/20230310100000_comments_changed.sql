-- migrate:up
comment on table posts is 'what people read';
comment on column posts.body is null;
comment on constraint posts_pkey on posts is '';
comment on schema public is null;

-- migrate:down
comment on table posts is 'what people read; "quotes", ''ticks'', \backslash and ünïcode';
