ALTER TABLE care.contacts DROP COLUMN patient_id;
ALTER TABLE care.contacts OF care.contact;
