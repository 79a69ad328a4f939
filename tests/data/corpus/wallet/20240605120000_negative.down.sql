update accounts set balance = balance + 5;
alter table accounts drop constraint overdraft;
alter table accounts add constraint accounts_balance_check check (balance >= 0);
