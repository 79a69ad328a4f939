ALTER TABLE billing.invoices ALTER CONSTRAINT invoices_visit DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE care.visits DROP CONSTRAINT visits_doctor_id_fkey;
ALTER TABLE care.visits ADD CONSTRAINT visits_doctor FOREIGN KEY (doctor_id) REFERENCES care.doctors MATCH FULL ON DELETE CASCADE;
