INSERT INTO users (email, name) VALUES ('ada@example.org', 'Ada'), ('bob@example.org', 'Bob'), ('eve@example.org', NULL);
INSERT INTO orders (user_id, total) SELECT id, id * 10 FROM users;
