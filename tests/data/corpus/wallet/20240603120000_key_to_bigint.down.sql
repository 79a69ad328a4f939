alter table transfers drop column source_num, drop column target_num;
alter table accounts drop constraint accounts_id_key, drop column num;
alter table accounts add primary key (id);
alter table transfers add foreign key (source) references accounts, add foreign key (target) references accounts;
