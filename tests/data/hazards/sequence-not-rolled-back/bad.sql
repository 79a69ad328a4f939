SELECT setval('order_numbers', 1000);
