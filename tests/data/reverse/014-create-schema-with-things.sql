-- setup
create table u (id int primary key);
-- forward
create schema app;
create type app.state as enum ('on','off');
create table app.t (id int primary key, s app.state default 'on');
create view app.v as select * from app.t join public.u using (id);
create function app.f() returns bigint language sql begin atomic select count(*) from app.v; end;
