-- Deploy library:overdue to pg
BEGIN;
SET search_path = library;
CREATE VIEW overdue AS SELECT l.*, b.title FROM loans l JOIN copies USING (copy_id) JOIN books b USING (isbn) WHERE until IS NULL;
CREATE VIEW overdue_by_reader AS SELECT reader, array_agg(title ORDER BY title) AS titles FROM overdue GROUP BY reader;
COMMIT;
