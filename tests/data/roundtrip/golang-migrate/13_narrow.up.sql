ALTER TABLE people ALTER COLUMN email TYPE text;
ALTER TABLE log ADD COLUMN at timestamptz DEFAULT now();
