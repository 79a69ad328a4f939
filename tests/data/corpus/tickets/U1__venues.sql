DROP TABLE venues;
DROP SEQUENCE IF EXISTS venue_numbers;
