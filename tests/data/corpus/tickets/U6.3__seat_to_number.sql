ALTER TABLE tickets ALTER COLUMN seat TYPE text USING 'A' || seat;
