ALTER TABLE orders ADD CONSTRAINT orders_country FOREIGN KEY (country_id) REFERENCES countries (id) NOT VALID;
