UPDATE care.patients SET born = NULL WHERE born = '1950-01-01';
