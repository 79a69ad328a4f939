-- no-transaction
drop index concurrently transfers_once;
drop index concurrently transfers_source;
alter table transfers drop column checked;
