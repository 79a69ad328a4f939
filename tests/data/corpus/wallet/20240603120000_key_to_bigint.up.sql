-- a text key gives way to a number, and what refers to it follows
alter table accounts add column num bigint generated always as identity;
alter table transfers add column source_num bigint, add column target_num bigint;
update transfers t set source_num = a.num from accounts a where a.id = t.source;
update transfers t set target_num = a.num from accounts a where a.id = t.target;
alter table transfers drop constraint transfers_source_fkey, drop constraint transfers_target_fkey;
alter table accounts drop constraint accounts_pkey;
alter table accounts add primary key (num), add unique (id);
alter table transfers add foreign key (source_num) references accounts, add foreign key (target_num) references accounts;
