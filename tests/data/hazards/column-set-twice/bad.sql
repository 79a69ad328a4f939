UPDATE orders SET status = 'a', status = 'b' WHERE id = 7;
