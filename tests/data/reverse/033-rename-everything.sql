-- setup
create schema s; create table s.t (id int constraint pk primary key, a int constraint positive check (a > 0)); insert into s.t values (1,2); create index t_a on s.t (a); create sequence s.q; create function s.f(x int) returns int language sql as 'select x'; create function s.trg() returns trigger language plpgsql as 'begin return new; end'; create trigger tr before insert on s.t for each row execute function s.trg(); create policy p on s.t using (true); create type s.e as enum ('a'); create domain s.d as int; create view s.v as select * from s.t; create statistics s.st on id, a from s.t;
-- forward
alter table s.t rename constraint pk to t_pk;
alter table s.t rename constraint positive to pos;
alter index s.t_a rename to t_b;
alter sequence s.q rename to qq;
alter function s.f(int) rename to ff;
alter trigger tr on s.t rename to trr;
alter policy p on s.t rename to pp;
alter type s.e rename to ee;
alter domain s.d rename to dd;
alter view s.v rename to vv;
alter statistics s.st rename to stt;
alter table s.t rename column a to aa;
alter table s.t rename to tt;
alter schema s rename to ss;
