UPDATE care.patients SET born = '1950-01-01' WHERE born IS NULL OR born <= '1931-01-01';
ALTER TABLE care.patients VALIDATE CONSTRAINT has_born;
