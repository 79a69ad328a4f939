ALTER TABLE venues ALTER COLUMN flags TYPE varbit(64);
ALTER TABLE venues ALTER COLUMN code TYPE bit(16) USING (code || B'00000000')::bit(16);
