ALTER TYPE order_status RENAME VALUE 'cancelled' TO 'canceled';
ALTER TYPE order_status RENAME TO order_state;
