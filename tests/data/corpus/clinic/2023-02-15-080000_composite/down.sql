DROP TABLE care.contacts;
DROP TYPE care.contact;
