ALTER TABLE customers ADD CONSTRAINT customers_key PRIMARY KEY USING INDEX customers_id;
