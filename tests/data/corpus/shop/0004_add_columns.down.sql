ALTER TABLE orders DROP COLUMN raw;
ALTER TABLE customers DROP COLUMN phone, DROP COLUMN newsletter, DROP COLUMN seen_at, DROP COLUMN tier;
