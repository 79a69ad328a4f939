CREATE TABLE channels (id bigint PRIMARY KEY, name text);
INSERT INTO channels (id, name) VALUES (1, 'web');
