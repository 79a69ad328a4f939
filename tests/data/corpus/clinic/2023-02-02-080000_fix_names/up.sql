-- the audit trigger writes along
UPDATE care.patients SET name = replace(name, 'Patient ', 'P. ') WHERE id % 2 = 0;
UPDATE care.doctors SET name = 'Dr. Nobody' WHERE id = 30;
