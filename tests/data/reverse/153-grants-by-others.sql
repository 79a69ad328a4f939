-- setup
create table t (a int);
grant select on t to reverse_boss with grant option;
grant usage on schema public to reverse_boss;
set role reverse_boss;
grant select on t to reverse_reader;
reset role;
-- forward
revoke select on t from reverse_boss cascade;
grant insert on t to reverse_writer with grant option;
set local role reverse_writer;
grant insert on t to reverse_reader;
reset role;
