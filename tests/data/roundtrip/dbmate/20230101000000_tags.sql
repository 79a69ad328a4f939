-- migrate:up
CREATE TABLE tags (
  id integer PRIMARY KEY,
  name text UNIQUE
);
INSERT INTO tags VALUES (1, 'a;b');

-- migrate:down
DROP TABLE tags;
