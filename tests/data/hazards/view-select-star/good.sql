CREATE VIEW all_orders AS SELECT id, total FROM orders;
