ALTER TABLE venues ALTER COLUMN id DROP IDENTITY;
CREATE SEQUENCE venue_numbers OWNED BY venues.id;
ALTER TABLE venues ALTER COLUMN id SET DEFAULT nextval('venue_numbers');
