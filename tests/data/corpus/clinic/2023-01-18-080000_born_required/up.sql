ALTER TABLE care.patients ALTER COLUMN born SET NOT NULL;
ALTER TABLE care.patients DROP CONSTRAINT has_born;
