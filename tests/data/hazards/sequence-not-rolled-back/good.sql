SELECT nextval('order_numbers');
