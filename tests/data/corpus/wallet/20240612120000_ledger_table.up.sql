-- swap a table for a new one of the same name
create table transfers_new (like transfers including defaults including identity);
insert into transfers_new overriding system value select * from transfers;
alter table transfers_new add primary key (id);
drop table transfers;
alter table transfers_new rename to transfers;
create index transfers_amount on transfers (amount);
