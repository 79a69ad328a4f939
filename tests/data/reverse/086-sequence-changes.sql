-- setup
create sequence a increment 2;
create sequence b start 5;
select nextval('b');
create table t (id int);
grant usage on sequence a to reverse_reader;
comment on sequence b is 's';
-- forward
alter sequence a increment 3 maxvalue 1000 cycle cache 7;
drop sequence b;
alter sequence a owned by t.id;
create sequence c;
