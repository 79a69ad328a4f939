CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch();
