drop function book(bigint, bigint, numeric);
