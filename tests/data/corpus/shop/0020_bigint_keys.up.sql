DROP VIEW IF EXISTS active_by_country, active_customers CASCADE;
ALTER TABLE orders ALTER COLUMN customer_id TYPE bigint;
ALTER TABLE customers ALTER COLUMN id TYPE bigint;
ALTER SEQUENCE customers_id_seq AS bigint;
