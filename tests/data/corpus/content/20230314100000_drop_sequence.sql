-- migrate:up
drop sequence revision_ids cascade;

-- migrate:down
create sequence revision_ids;
alter table revisions alter column id set default nextval('revision_ids');
