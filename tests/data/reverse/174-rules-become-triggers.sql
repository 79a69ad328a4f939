-- setup
create table t (a int);
create view v as select a from t;
create rule ins as on insert to v do instead insert into t values (new.a);
-- forward
drop rule ins on v; create function fv() returns trigger language plpgsql as 'begin insert into t values (new.a); return new; end'; create trigger ins instead of insert on v for each row execute function fv();
