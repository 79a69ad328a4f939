CREATE PROCEDURE sell_all() LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tickets SET sold = true WHERE seat = 'C1';
    COMMIT;
    UPDATE tickets SET sold = true WHERE seat = 'C2';
END $$;
