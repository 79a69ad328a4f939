-- migrate:up
update posts p set slug = slug || '-' || id where exists (select 1 from posts q where q.slug = p.slug and q.id < p.id);
update posts set slug = 'untitled-' || id where slug is null or slug = 'from-view';
alter table posts add constraint slug_form check (slug ~ '^[a-z0-9-]+$'), alter column slug set not null, add unique (slug);

-- migrate:down
alter table posts drop constraint posts_slug_key, drop constraint slug_form, alter column slug drop not null;
