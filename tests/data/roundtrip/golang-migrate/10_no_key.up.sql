CREATE TABLE log (line text);
INSERT INTO log VALUES ('a');
