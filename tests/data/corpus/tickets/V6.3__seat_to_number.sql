ALTER TABLE tickets ALTER COLUMN seat TYPE integer USING substr(seat, 2)::integer;
