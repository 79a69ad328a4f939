-- setup
create table u (id int primary key);
-- forward
create sequence num start 100;
create table t (id bigint default nextval('num') primary key, other serial);
