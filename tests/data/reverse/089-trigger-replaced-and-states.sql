-- setup
create table t (a int); insert into t values (1); create function touch() returns trigger language plpgsql as 'begin return new; end'; create trigger one before insert on t for each row execute function touch(); create trigger two after insert on t referencing new table as fresh for each statement execute function touch(); comment on trigger one on t is 'c';
-- forward
create or replace trigger one before insert or delete on t for each row execute function touch();
alter table t disable trigger two;
alter table t enable always trigger one;
