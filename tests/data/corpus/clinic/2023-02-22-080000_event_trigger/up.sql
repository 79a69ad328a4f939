CREATE FUNCTION care.no_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'dropped: %', tg_tag; END $$;
CREATE EVENT TRIGGER tell_drops ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION care.no_drop();
