CREATE TABLE draft (id bigint PRIMARY KEY);
TRUNCATE draft;
