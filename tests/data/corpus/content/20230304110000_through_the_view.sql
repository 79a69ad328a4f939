-- migrate:up
update published_by_author set title = title || ' by ' || coalesce(handle, 'nobody') where id % 3 = 0;
insert into published (slug, title) values ('from-view', default);

-- migrate:down
delete from posts where slug = 'from-view';
update posts set title = regexp_replace(title, ' by .*$', '') where id % 3 = 0;
