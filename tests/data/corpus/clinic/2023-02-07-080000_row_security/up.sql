GRANT SELECT, UPDATE (name, weight) ON care.patients TO clinic_doctor WITH GRANT OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA billing TO clinic_desk;
CREATE POLICY own_patients ON care.patients AS PERMISSIVE FOR SELECT TO clinic_doctor USING (id % 2 = 0);
CREATE POLICY write_own ON care.patients FOR UPDATE TO clinic_doctor USING (id % 2 = 0) WITH CHECK (weight > 0);
CREATE POLICY never_unpaid ON billing.invoices AS RESTRICTIVE USING (paid IS NOT NULL);
COMMENT ON POLICY own_patients ON care.patients IS 'by number';
ALTER TABLE care.patients ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing.invoices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
