delete from transfers a using transfers b where a.source = b.source and a.memo = b.memo and a.id > b.id;
with gone as (delete from transfers where target is null returning source, amount)
update accounts set balance = accounts.balance + (sum.amount * 100)::bigint from (select source, sum(amount) as amount from gone group by source) sum where sum.source = accounts.id;
