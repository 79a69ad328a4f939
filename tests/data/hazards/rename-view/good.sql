CREATE VIEW pending_orders AS SELECT id, total FROM orders WHERE status = 'open';
