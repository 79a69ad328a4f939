ALTER TABLE order_lines ADD COLUMN total numeric GENERATED ALWAYS AS (quantity * coalesce(price, 0)) STORED;
ALTER TABLE order_lines ADD COLUMN discount numeric(4,2) DEFAULT 0 CHECK (discount >= 0 AND discount < 100);
