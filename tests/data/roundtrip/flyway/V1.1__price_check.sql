ALTER TABLE product ADD CONSTRAINT price_positive CHECK (price > 0) NOT VALID;
ALTER TABLE product VALIDATE CONSTRAINT price_positive;
