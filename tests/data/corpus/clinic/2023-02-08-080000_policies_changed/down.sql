CREATE POLICY never_unpaid ON billing.invoices USING (paid IS NOT NULL);
ALTER POLICY my_patients ON care.patients USING (id % 2 = 0);
ALTER POLICY my_patients ON care.patients RENAME TO own_patients;
ALTER TABLE billing.invoices FORCE ROW LEVEL SECURITY;
