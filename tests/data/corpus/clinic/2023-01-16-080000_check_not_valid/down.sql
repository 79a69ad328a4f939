ALTER TABLE care.patients DROP CONSTRAINT born_since, DROP CONSTRAINT has_born;
