ALTER DOMAIN weight DROP CONSTRAINT weight_positive;
