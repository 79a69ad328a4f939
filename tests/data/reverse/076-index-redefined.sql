-- setup
create table t (a int, b text);
insert into t values (1,'x');
create index i on t (a);
create index k on t (b);
-- forward
drop index i;
create index i on t (a, b);
alter index k set (fillfactor = 70);
alter index k rename to kk;
comment on index kk is 'z';
