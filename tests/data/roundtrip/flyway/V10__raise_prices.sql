ALTER TABLE product_history ADD COLUMN change_id bigserial PRIMARY KEY;
UPDATE product SET price = price * 2;
