ALTER TABLE venues ALTER COLUMN code TYPE bit(8);
ALTER TABLE venues ALTER COLUMN flags TYPE varbit(8);
