-- setup
create table customers (id bigint generated always as identity primary key, first_name text not null, last_name text not null, email varchar(100));
create table orders (id bigserial primary key, customer_id bigint references customers, total numeric(10,2) not null default 0, status text not null default 'open' check (status in ('open','paid')));
create view open_orders as select o.id, c.email from orders o join customers c on c.id = o.customer_id where status = 'open';
grant select on open_orders to reverse_reader;
insert into customers(first_name,last_name) values ('a','b');
insert into orders(customer_id) values (1);
-- forward
alter table customers add column full_name text; create function full_name_of() returns trigger language plpgsql as $$ begin new.full_name := new.first_name || ' ' || new.last_name; return new; end $$; create trigger full_name before insert or update on customers for each row execute function full_name_of();
alter table orders drop constraint orders_status_check;
alter table orders add constraint orders_status_check check (status in ('open','paid','sent')) not valid;
alter table orders validate constraint orders_status_check;
create or replace view open_orders as select o.id, c.email, c.full_name from orders o join customers c on c.id = o.customer_id where status <> 'paid';
create unique index customers_email on customers (lower(email));
alter table orders alter total type numeric(14,2);
create table order_events (order_id bigint not null references orders on delete cascade, at timestamptz not null default now(), what jsonb);
create index on order_events (order_id, at desc);
