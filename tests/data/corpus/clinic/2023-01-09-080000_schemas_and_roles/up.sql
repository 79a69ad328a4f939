CREATE ROLE clinic_doctor NOLOGIN;
CREATE ROLE clinic_desk NOLOGIN;
CREATE SCHEMA care;
CREATE SCHEMA billing;
GRANT USAGE ON SCHEMA care TO clinic_doctor, clinic_desk;
