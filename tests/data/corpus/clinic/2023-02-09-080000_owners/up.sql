ALTER TABLE billing.invoices OWNER TO clinic_desk;
ALTER SCHEMA billing OWNER TO clinic_desk;
ALTER TYPE care.blood OWNER TO clinic_doctor;
ALTER FUNCTION care.note_change() OWNER TO clinic_doctor;
ALTER DOMAIN care.email OWNER TO clinic_doctor;
