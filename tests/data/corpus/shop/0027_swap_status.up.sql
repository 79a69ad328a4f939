UPDATE orders SET status = 'canceled' WHERE status = 'returned';
ALTER TYPE order_state RENAME TO order_state_old;
CREATE TYPE order_state AS ENUM ('new', 'paid', 'shipped', 'canceled');
ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;
ALTER TABLE orders ALTER COLUMN status TYPE order_state USING status::text::order_state;
ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';
DROP TYPE order_state_old;
