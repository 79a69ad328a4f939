ALTER TABLE care.contacts NOT OF;
ALTER TABLE care.contacts ADD COLUMN patient_id bigint REFERENCES care.patients;
