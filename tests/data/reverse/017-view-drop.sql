-- setup
create table t (id int primary key, a text);
insert into t values (1,'x');
create view v with (security_barrier) as select id, a from t;
comment on view v is 'hm';
comment on column v.a is 'aa';
grant select on v to reverse_reader;
-- forward
drop view v;
