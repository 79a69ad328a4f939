ALTER TABLE care.visits DROP CONSTRAINT visits_doctor;
ALTER TABLE care.visits ADD CONSTRAINT visits_doctor_id_fkey FOREIGN KEY (doctor_id) REFERENCES care.doctors ON DELETE SET NULL;
ALTER TABLE billing.invoices ALTER CONSTRAINT invoices_visit NOT DEFERRABLE;
