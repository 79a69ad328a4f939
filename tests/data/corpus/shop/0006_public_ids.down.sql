ALTER TABLE orders DROP COLUMN public_id, DROP COLUMN receipt;
