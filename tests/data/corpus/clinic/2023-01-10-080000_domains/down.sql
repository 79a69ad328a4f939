DROP TYPE care.dose_range, care.address, care.blood;
DROP DOMAIN care.insurance_no, care.email;
