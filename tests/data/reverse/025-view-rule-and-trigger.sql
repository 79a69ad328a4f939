-- setup
create table t (id int primary key, a text); create view v as select id, a || '' as a from t; create function ins() returns trigger language plpgsql as 'begin insert into t values (new.id, new.a); return new; end'; create trigger v_ins instead of insert on v for each row execute function ins(); create rule v_del as on delete to v do instead delete from t where id = old.id; comment on trigger v_ins on v is 'through';
-- forward
drop view v;
create view v as select id from t;
