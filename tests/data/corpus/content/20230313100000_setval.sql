-- migrate:up
select setval('posts_id_seq', greatest((select max(id) from posts), (select last_value from posts_id_seq)));
select nextval('revision_ids');

-- migrate:down
select 1;
