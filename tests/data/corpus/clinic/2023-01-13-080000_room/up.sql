ALTER TABLE care.visits ADD COLUMN room smallint;
UPDATE care.visits SET room = id % 12 + (id / 12) * 0 WHERE id % 5 > 0;
ALTER TABLE care.visits ADD CONSTRAINT one_patient_at_a_time EXCLUDE USING gist (patient_id WITH =, during WITH &&) WHERE (room IS NOT NULL);
