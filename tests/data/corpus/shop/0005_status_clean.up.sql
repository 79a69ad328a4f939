-- statuses were typed by hand
UPDATE orders SET status = lower(trim(status)) WHERE status <> lower(trim(status));
ALTER TABLE orders ADD CONSTRAINT orders_status CHECK (status IN ('new', 'paid', 'shipped', 'cancelled'));
