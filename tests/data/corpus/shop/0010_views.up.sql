CREATE VIEW active_customers AS
    SELECT c.id, c.email, c.first_name || ' ' || c.last_name AS full_name, c.country FROM customers c
    WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status <> 'cancelled');
CREATE VIEW active_by_country AS SELECT country, count(*) AS people FROM active_customers GROUP BY country;
CREATE MATERIALIZED VIEW sales AS
    SELECT p.id AS product_id, p.name, sum(l.total) AS revenue, count(DISTINCT o.customer_id) AS buyers
    FROM products p LEFT JOIN order_lines l ON l.product_id = p.id LEFT JOIN orders o ON o.id = l.order_id
    GROUP BY p.id, p.name;
CREATE UNIQUE INDEX sales_product ON sales (product_id);
CREATE INDEX sales_revenue ON sales (revenue DESC NULLS LAST) WHERE revenue > 0;
COMMENT ON VIEW active_customers IS 'for the newsletter';
COMMENT ON MATERIALIZED VIEW sales IS 'refreshed each night';
