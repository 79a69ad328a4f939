-- setup
create table t (id int, a text, b text not null);
insert into t values (1,'x','y');
-- forward
alter table t alter a set not null, alter b drop not null;
