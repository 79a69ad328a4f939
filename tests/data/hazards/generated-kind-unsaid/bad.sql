ALTER TABLE orders ADD COLUMN gross numeric GENERATED ALWAYS AS (total * 1.2);
