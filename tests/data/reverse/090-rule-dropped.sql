-- setup
create table t (a int);
create table log (a int);
insert into t values (1);
create rule r as on update to t do also insert into log values (new.a);
comment on rule r on t is 'copy';
-- forward
drop rule r on t;
create rule q as on delete to t do instead nothing;
