CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE care.visits (
    id serial PRIMARY KEY,
    patient_id bigint NOT NULL REFERENCES care.patients,
    doctor_id int REFERENCES care.doctors ON UPDATE CASCADE ON DELETE SET NULL,
    during tstzrange NOT NULL,
    EXCLUDE USING gist (doctor_id WITH =, during WITH &&) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO care.visits (patient_id, doctor_id, during)
SELECT 1 + i % 400, 1 + i % 30, tstzrange(timestamptz '2024-03-31 00:00+00' + i * interval '31 minutes', timestamptz '2024-03-31 00:20+00' + i * interval '31 minutes')
FROM generate_series(1, 600) i;
