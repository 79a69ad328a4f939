ALTER POLICY own_patients ON care.patients RENAME TO my_patients;
ALTER POLICY my_patients ON care.patients TO clinic_doctor, clinic_desk USING (id % 2 = 0 OR current_user = 'clinic_desk');
ALTER POLICY write_own ON care.patients WITH CHECK (weight BETWEEN 0.2 AND 700);
DROP POLICY never_unpaid ON billing.invoices;
ALTER TABLE billing.invoices NO FORCE ROW LEVEL SECURITY;
