CREATE TABLE prices (id bigint PRIMARY KEY, price money);
