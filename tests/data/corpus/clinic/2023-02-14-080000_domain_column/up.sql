ALTER TABLE care.doctors ADD COLUMN mail care.email;
ALTER TABLE care.doctors ADD COLUMN insurance care.insurance_no;
ALTER TABLE care.patients ALTER COLUMN mail TYPE text;
