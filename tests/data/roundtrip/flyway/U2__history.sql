DROP TRIGGER product_history ON product;
DROP FUNCTION keep_history();
DROP TABLE product_history;
