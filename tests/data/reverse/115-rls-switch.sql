-- setup
create table t (a int, who text default current_user);
insert into t(a) values (1);
-- forward
alter table t enable row level security;
create policy own on t using (who = current_user) with check (who = current_user);
