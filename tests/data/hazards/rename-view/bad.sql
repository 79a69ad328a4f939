ALTER VIEW open_orders RENAME TO pending_orders;
