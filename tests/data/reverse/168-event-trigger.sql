-- as: superuser
-- setup
create table t (a int); create function et() returns event_trigger language plpgsql as 'begin null; end';
-- forward
create event trigger ev on ddl_command_end execute function et();
