DROP VIEW active_by_country, active_customers;
ALTER TABLE customers ALTER COLUMN email TYPE varchar(60);
CREATE VIEW active_customers AS
    SELECT c.id, c.email, c.first_name || ' ' || c.last_name AS full_name, c.country, c.tier FROM customers c
    WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status <> 'cancelled');
CREATE VIEW active_by_country AS SELECT country, count(*) AS people FROM active_customers GROUP BY country;
