DROP TABLE care.doctors, care.patients;
