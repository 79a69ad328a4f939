DROP TABLE care.visits;
DROP EXTENSION btree_gist;
