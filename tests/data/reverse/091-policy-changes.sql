-- setup
create table t (a int, who text);
insert into t values (1,'x');
alter table t enable row level security;
create policy p on t as permissive for select to reverse_reader using (who = current_user);
create policy q on t for insert with check (a > 0);
comment on policy p on t is 'own rows';
-- forward
alter policy p on t to public using (true);
drop policy q on t;
create policy n on t as restrictive for update using (a = 1) with check (a = 2);
