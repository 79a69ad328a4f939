-- setup
create table u (id int primary key); create table t (id int primary key, u_id int references u, a text check (a <> '')) partition by range (id); create index t_a on t (a); create table t1 partition of t for values from (1) to (10); create table x (id int not null, u_id int, a text check (a <> ''), constraint t_a_check check (a <> '')); insert into u values (1); insert into t values (1,1,'a'); insert into x values (11,1,'b'); create function tf() returns trigger language plpgsql as 'begin return new; end'; create trigger tg before insert on t for each row execute function tf();
-- forward
alter table t attach partition x for values from (10) to (20);
