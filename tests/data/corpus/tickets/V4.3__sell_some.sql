CALL sell_ticket(md5('2'), 'by hand');
DO $$
DECLARE t record;
BEGIN
    FOR t IN SELECT code FROM tickets WHERE NOT sold AND seat LIKE 'B%' ORDER BY code LIMIT 20 LOOP
        CALL sell_ticket(t.code, 'batch');
    END LOOP;
END $$;
