CREATE TABLE old_orders AS SELECT id, total FROM orders;
