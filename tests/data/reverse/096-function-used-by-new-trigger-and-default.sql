-- setup
create table t (id int, a text);
insert into t values (1,'x');
-- forward
create function nextname() returns text language sql volatile as $$ select 'n' $$; alter table t alter a set default nextname(); create function only_new() returns trigger language plpgsql as 'begin return new; end'; create trigger z before insert on t for each row execute function only_new();
