-- setup
create table t (id int, mail text);
insert into t values (1,'a@b');
-- forward
create domain mail as text check (value like '%@%');
alter table t alter mail type mail;
