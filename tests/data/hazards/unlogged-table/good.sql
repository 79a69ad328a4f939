CREATE TABLE basket (id bigint PRIMARY KEY);
