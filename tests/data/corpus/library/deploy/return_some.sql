-- Deploy library:return_some to pg
BEGIN;
SELECT library.lend(copy_id, 'the cat') FROM library.copies WHERE copy_id BETWEEN 400 AND 420;
UPDATE library.loans l SET until = since + 14 FROM library.copies c WHERE c.copy_id = l.copy_id AND c.state = 'worn' AND l.until IS NULL;
COMMIT;
