CREATE TABLE care.audit (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), tab text, op text, was jsonb, now jsonb);
CREATE FUNCTION care.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = care, pg_temp AS $fn$
BEGIN
    INSERT INTO audit (tab, op, was, now) VALUES (tg_table_name, tg_op, to_jsonb(OLD), to_jsonb(NEW));
    RETURN coalesce(NEW, OLD);
END $fn$;
REVOKE ALL ON FUNCTION care.note_change() FROM PUBLIC;
CREATE TRIGGER audit_patients AFTER INSERT OR DELETE OR UPDATE OF name, born ON care.patients FOR EACH ROW EXECUTE FUNCTION care.note_change();
CREATE TRIGGER audit_doctors AFTER UPDATE ON care.doctors FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION care.note_change();
COMMENT ON TRIGGER audit_patients ON care.patients IS 'asked for by the auditor';
