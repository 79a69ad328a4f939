UPDATE care.patients SET name = replace(name, 'P. ', 'Patient ') WHERE id % 2 = 0;
