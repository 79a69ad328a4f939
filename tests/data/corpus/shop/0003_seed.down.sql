TRUNCATE order_lines, orders, products, customers;
