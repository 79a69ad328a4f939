-- setup
create table t (id int) partition by range (id); create table t1 partition of t for values from (1) to (10); insert into t values (1); create function tf() returns trigger language plpgsql as 'begin return new; end'; create trigger a before insert on t for each row execute function tf(); create trigger b after update on t for each row execute function tf(); alter table t1 disable trigger b;
-- forward
drop trigger a on t;
alter trigger b on t rename to bb;
alter table t disable trigger bb;
create trigger c after delete on t for each row execute function tf();
