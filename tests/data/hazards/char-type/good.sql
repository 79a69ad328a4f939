CREATE TABLE codes (id bigint PRIMARY KEY, code text CHECK (length(code) = 3));
