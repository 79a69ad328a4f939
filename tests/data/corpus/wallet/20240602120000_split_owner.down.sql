alter table accounts add column owner text;
update accounts set owner = (select name from owners where owners.id = owner_id);
alter table accounts alter column owner set not null;
alter table accounts drop column owner_id;
drop table owners;
