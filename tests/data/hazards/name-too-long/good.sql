ALTER TABLE orders ADD COLUMN invoice_number text;
