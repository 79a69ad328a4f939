ALTER TABLE care.patients DISABLE TRIGGER audit_patients;
ALTER TABLE care.doctors ENABLE ALWAYS TRIGGER audit_doctors;
ALTER TRIGGER audit_doctors ON care.doctors RENAME TO zz_audit;
