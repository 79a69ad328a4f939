-- migrate:up
alter table posts drop column lang cascade;

-- migrate:down
alter table posts add column lang text default 'english';
