-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION unit_of() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.unit := coalesce(NEW.unit, 'n/a');
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER unit BEFORE INSERT ON samples FOR EACH ROW EXECUTE FUNCTION unit_of();
ALTER TABLE samples_default DISABLE TRIGGER unit;
-- +goose Down
DROP FUNCTION unit_of CASCADE;
