-- no-transaction
create index concurrently if not exists transfers_source on transfers (source, id desc);
create unique index concurrently transfers_once on transfers (source, target, amount, booked, id) where target is not null;
alter table transfers add column checked boolean;
