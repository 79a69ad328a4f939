CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    status text NOT NULL DEFAULT 'new',
    note text,
    placed_at timestamp
);
CREATE TABLE order_lines (
    order_id integer REFERENCES orders ON DELETE CASCADE,
    line smallint,
    product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL,
    price numeric(8,2),
    PRIMARY KEY (order_id, line)
);
