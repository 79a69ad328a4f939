INSERT INTO countries (id, name) VALUES (1, 'Chile');
