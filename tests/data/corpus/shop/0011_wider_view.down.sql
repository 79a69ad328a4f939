CREATE OR REPLACE VIEW active_customers AS
    SELECT c.id, c.email, c.first_name || ' ' || c.last_name AS full_name, c.country FROM customers c
    WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status <> 'cancelled');
