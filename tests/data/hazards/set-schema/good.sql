CREATE TABLE draft (id bigint PRIMARY KEY);
ALTER TABLE draft SET SCHEMA archive;
