DROP INDEX orders_open;
DROP INDEX IF EXISTS products_details, customers_lower_email;
