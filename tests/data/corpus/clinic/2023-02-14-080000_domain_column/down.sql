ALTER TABLE care.patients ALTER COLUMN mail TYPE care.email;
ALTER TABLE care.doctors DROP COLUMN mail, DROP COLUMN insurance;
