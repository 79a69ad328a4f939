-- The shop begins: customers, products, orders, lines.
BEGIN;
CREATE TABLE customers (
    id serial PRIMARY KEY,
    email varchar(60) NOT NULL UNIQUE,
    first_name text,
    last_name text,
    country char(2) DEFAULT 'de',
    credit numeric(8,2) NOT NULL DEFAULT 0,
    created_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE products (
    id serial PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    price numeric(8,2) NOT NULL,
    stock smallint NOT NULL DEFAULT 0,
    details json
);
COMMENT ON TABLE customers IS 'People who bought, or meant to';
COMMENT ON COLUMN customers.email IS 'lower case, we hope';
COMMIT;
