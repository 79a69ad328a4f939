-- setup
create table t (id int, mail text);
insert into t values (1,'A@b');
-- forward
create extension citext;
alter table t alter mail type citext;
create index on t (mail);
