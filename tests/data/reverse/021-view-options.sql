-- setup
create table t (id int primary key, a text);
create view v as select id, a from t;
-- forward
alter view v set (security_invoker = true, security_barrier = true);
