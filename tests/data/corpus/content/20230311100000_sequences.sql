-- migrate:up
create sequence revision_numbers as integer increment by -1 minvalue -1000 maxvalue 0 start -5 cycle;
create table revisions (id integer primary key default nextval('revision_numbers'), post_id bigint not null references posts on delete cascade, body text, at timestamptz default now());
insert into revisions (post_id, body, at) select id, left(body, 33), published_at from posts where id % 2 = 0;
alter sequence revision_numbers owned by revisions.id;

-- migrate:down
drop table revisions;
