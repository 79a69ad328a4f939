alter table accounts drop constraint accounts_balance_check;
update accounts set balance = balance - 5;
alter table accounts add constraint overdraft check (balance > -100000) not valid;
