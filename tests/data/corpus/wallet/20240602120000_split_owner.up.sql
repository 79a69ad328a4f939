create table owners (id serial primary key, name text not null unique);
insert into owners (name) select distinct owner from accounts order by 1;
alter table accounts add column owner_id int references owners;
update accounts a set owner_id = o.id from owners o where o.name = a.owner;
alter table accounts alter column owner_id set not null;
alter table accounts drop column owner;
