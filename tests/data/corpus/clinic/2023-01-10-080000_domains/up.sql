CREATE DOMAIN care.email AS text COLLATE "C" CHECK (VALUE ~ '^[^@ ]+@[^@ ]+$');
CREATE DOMAIN care.insurance_no AS varchar(12) NOT NULL DEFAULT 'none' CONSTRAINT upper_case CHECK (VALUE = upper(VALUE) OR VALUE = 'none');
CREATE TYPE care.blood AS ENUM ('A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', '0+', '0-');
CREATE TYPE care.address AS (street text, zip varchar(10), city text);
CREATE TYPE care.dose_range AS RANGE (subtype = numeric);
COMMENT ON DOMAIN care.email IS 'good enough';
COMMENT ON TYPE care.blood IS 'ABO and rhesus';
