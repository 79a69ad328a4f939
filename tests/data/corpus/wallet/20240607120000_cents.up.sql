alter table accounts alter column balance type bigint using (balance * 100)::bigint;
