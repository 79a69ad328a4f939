-- since: 18
-- setup
create table t (a int, b int constraint b_there not null);
insert into t values (1,2);
comment on constraint b_there on t is 'w';
-- forward
alter table t add constraint a_there not null a not valid;
alter table t validate constraint a_there;
alter table t drop constraint b_there;
