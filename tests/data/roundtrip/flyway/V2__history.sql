CREATE TABLE product_history (LIKE product INCLUDING DEFAULTS, changed_at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO product_history SELECT OLD.*, now();
  RETURN NEW;
END;
$$;
CREATE TRIGGER product_history AFTER UPDATE ON product FOR EACH ROW EXECUTE FUNCTION keep_history();
