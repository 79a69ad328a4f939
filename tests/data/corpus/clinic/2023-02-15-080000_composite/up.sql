CREATE TYPE care.contact AS (kind text, value text);
CREATE TABLE care.contacts OF care.contact (PRIMARY KEY (kind, value));
INSERT INTO care.contacts SELECT 'phone', '0049-' || i FROM generate_series(1, 40) i;
ALTER TYPE care.contact ADD ATTRIBUTE since date CASCADE;
ALTER TYPE care.contact RENAME ATTRIBUTE value TO number CASCADE;
