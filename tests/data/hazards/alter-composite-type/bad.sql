ALTER TYPE address ADD ATTRIBUTE street text;
