ALTER TABLE billing.invoices DISABLE ROW LEVEL SECURITY;
ALTER TABLE care.patients DISABLE ROW LEVEL SECURITY;
DROP POLICY never_unpaid ON billing.invoices;
DROP POLICY write_own ON care.patients;
DROP POLICY own_patients ON care.patients;
REVOKE ALL ON care.patients FROM clinic_doctor;
REVOKE ALL ON ALL TABLES IN SCHEMA billing FROM clinic_desk;
