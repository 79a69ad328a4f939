CREATE TABLE codes (id bigint PRIMARY KEY, code varchar(3));
