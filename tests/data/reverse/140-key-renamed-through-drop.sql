-- setup
create table u (id int constraint u_key primary key, code text constraint code_key unique deferrable);
create table a (u_id int references u);
create table b (code text, u_id int references u on delete cascade deferrable);
insert into u values (1,'x');
insert into a values (1);
-- forward
alter table u drop constraint u_key cascade;
alter table u add constraint users_pk primary key (id);
alter table a add foreign key (u_id) references u;
alter table u drop constraint code_key;
alter table u add constraint code_key unique (code);
