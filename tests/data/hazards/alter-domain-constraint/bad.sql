ALTER DOMAIN weight ADD CONSTRAINT weight_positive CHECK (VALUE > 0);
