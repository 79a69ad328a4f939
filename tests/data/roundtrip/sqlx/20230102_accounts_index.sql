-- no-transaction
CREATE INDEX CONCURRENTLY account_balance ON account (balance);
