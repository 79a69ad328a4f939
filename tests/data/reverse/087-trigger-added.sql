-- setup
create table t (a int);
insert into t values (1);
-- forward
create function touch() returns trigger language plpgsql as $$ begin new.a := coalesce(new.a, 0); return new; end $$;
create trigger touch before insert or update of a on t for each row when (new.a is not null) execute function touch();
