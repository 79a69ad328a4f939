CREATE UNIQUE INDEX patients_insurance ON care.patients (insurance);
COMMENT ON INDEX care.patients_insurance IS 'one person, one number';
ALTER TABLE care.patients ADD CONSTRAINT insurance_once UNIQUE USING INDEX patients_insurance;
ALTER TABLE care.doctors ADD UNIQUE (name, boss);
