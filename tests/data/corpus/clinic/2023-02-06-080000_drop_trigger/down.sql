DROP TRIGGER late ON care.visits;
CREATE TRIGGER audit_patients AFTER INSERT OR DELETE OR UPDATE OF name, born ON care.patients FOR EACH ROW EXECUTE FUNCTION care.note_change();
