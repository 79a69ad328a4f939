drop table transfers;
drop table accounts;
