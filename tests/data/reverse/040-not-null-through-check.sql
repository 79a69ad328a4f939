-- setup
create table t (id int, a text);
insert into t values (1,'x');
-- forward
alter table t add constraint a_there check (a is not null) not valid;
alter table t validate constraint a_there;
alter table t alter a set not null;
alter table t drop constraint a_there;
