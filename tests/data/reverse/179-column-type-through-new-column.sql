-- setup
create table t (id int primary key, price text);
insert into t values (1,'1.50');
-- forward
alter table t add column price_cents bigint;
update t set price_cents = (price::numeric * 100)::bigint;
update t set price_cents = null;
alter table t add check (price_cents is null or price_cents >= 0) not valid;
alter table t rename column price to price_old;
alter table t rename column price_cents to price;
