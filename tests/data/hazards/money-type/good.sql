CREATE TABLE prices (id bigint PRIMARY KEY, price numeric(12, 2));
