CREATE TABLE visits (page text, at timestamptz);
