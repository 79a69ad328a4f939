-- setup
create table users (id int primary key, first text, last text);
insert into users values (1,'a','b');
-- forward
alter table users rename to users_data;
create view users as select id, first || ' ' || last as name from users_data;
