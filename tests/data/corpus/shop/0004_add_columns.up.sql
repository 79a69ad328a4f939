ALTER TABLE customers
    ADD COLUMN phone text,
    ADD COLUMN newsletter boolean DEFAULT false,
    ADD COLUMN seen_at timestamptz DEFAULT now(),
    ADD COLUMN tier text NOT NULL DEFAULT 'basic';
ALTER TABLE orders ADD COLUMN raw json;
