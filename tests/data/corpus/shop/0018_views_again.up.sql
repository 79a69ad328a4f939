-- email grows: the views on it have to go and come again
DROP VIEW active_by_country, active_customers;
ALTER TABLE customers ALTER COLUMN email TYPE varchar(254);
CREATE VIEW active_customers WITH (security_barrier) AS
    SELECT id, email, first_name || ' ' || last_name AS full_name, country, tier FROM customers WHERE tier <> 'gone';
CREATE VIEW active_by_country AS SELECT country, count(*) AS people, min(email) AS first FROM active_customers GROUP BY 1;
