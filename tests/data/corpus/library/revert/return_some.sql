BEGIN;
DELETE FROM library.loans WHERE reader = 'the cat';
COMMIT;
