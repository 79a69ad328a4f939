ALTER TRIGGER zz_audit ON care.doctors RENAME TO audit_doctors;
ALTER TABLE care.doctors ENABLE TRIGGER audit_doctors;
ALTER TABLE care.patients ENABLE TRIGGER ALL;
