DROP TYPE care.blood CASCADE;
DROP DOMAIN care.insurance_no CASCADE;
