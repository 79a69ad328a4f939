CREATE VIEW all_orders AS SELECT * FROM orders;
