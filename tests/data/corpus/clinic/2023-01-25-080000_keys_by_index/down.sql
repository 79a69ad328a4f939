ALTER TABLE care.doctors DROP CONSTRAINT doctors_name_boss_key;
ALTER TABLE care.patients DROP CONSTRAINT insurance_once;
