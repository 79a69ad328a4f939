CREATE TYPE care.blood AS ENUM ('A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', '0+', '0-');
ALTER TABLE care.patients ADD COLUMN blood care.blood;
