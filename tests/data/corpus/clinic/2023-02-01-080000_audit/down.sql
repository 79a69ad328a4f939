DROP TRIGGER audit_doctors ON care.doctors;
DROP TRIGGER audit_patients ON care.patients;
DROP FUNCTION care.note_change;
DROP TABLE care.audit;
