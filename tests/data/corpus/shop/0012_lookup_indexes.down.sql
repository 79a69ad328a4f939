DROP INDEX orders_customer, orders_open, customers_lower_email, products_details;
