CREATE TABLE product (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, price numeric(8,2));
INSERT INTO product (name, price) VALUES ('nail', 0.02), ('hammer', 12.5);
