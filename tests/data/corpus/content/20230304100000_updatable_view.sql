-- migrate:up
create function save_published() returns trigger language plpgsql as $$
begin
    update posts set title = new.title, slug = new.slug where id = old.id;
    return new;
end $$;
create trigger save instead of update on published_by_author for each row execute function save_published();
alter view published alter column title set default 'untitled';

-- migrate:down
alter view published alter column title drop default;
drop trigger save on published_by_author;
drop function save_published();
