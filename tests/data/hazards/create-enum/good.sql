CREATE TABLE sizes (id bigint PRIMARY KEY, name text);
