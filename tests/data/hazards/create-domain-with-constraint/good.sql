CREATE DOMAIN weight AS integer;
