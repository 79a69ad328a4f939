ALTER DOMAIN care.insurance_no SET DEFAULT 'none';
ALTER DOMAIN care.insurance_no SET NOT NULL;
ALTER DOMAIN care.email DROP CONSTRAINT no_plus;
ALTER DOMAIN care.email DROP CONSTRAINT not_too_long;
