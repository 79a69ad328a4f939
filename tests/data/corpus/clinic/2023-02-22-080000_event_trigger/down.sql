DROP EVENT TRIGGER tell_drops;
DROP FUNCTION care.no_drop();
