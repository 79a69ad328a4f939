-- migrate:up transaction:false
update redirects set from_path = lower('/NEW' || from_path) where lang is null;
create index concurrently redirects_from on redirects (from_path text_pattern_ops);
delete from redirects where to_post is null;

-- migrate:down transaction:false
drop index concurrently redirects_from;
