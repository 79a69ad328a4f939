ALTER DOMAIN care.email ADD CONSTRAINT not_too_long CHECK (length(VALUE) < 200);
ALTER DOMAIN care.email ADD CONSTRAINT no_plus CHECK (VALUE NOT LIKE '%+%') NOT VALID;
ALTER DOMAIN care.email VALIDATE CONSTRAINT no_plus;
ALTER DOMAIN care.insurance_no DROP CONSTRAINT insurance_upper;
ALTER DOMAIN care.insurance_no DROP NOT NULL;
ALTER DOMAIN care.insurance_no SET DEFAULT 'private';
