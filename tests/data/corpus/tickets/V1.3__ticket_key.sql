ALTER TABLE tickets ADD PRIMARY KEY (code), ADD CONSTRAINT price_positive CHECK (price >= 0 OR price = 'NaN');
