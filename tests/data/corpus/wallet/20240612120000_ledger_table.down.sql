drop index transfers_amount;
