-- setup
create table t (a int); insert into t values (1); create function touch() returns trigger language plpgsql as 'begin return new; end'; create trigger touch before insert on t for each row execute function touch(); create constraint trigger late after insert on t deferrable initially deferred for each row execute function touch(); alter table t disable trigger touch; comment on trigger touch on t is 'off';
-- forward
drop trigger touch on t;
drop trigger late on t;
drop function touch();
