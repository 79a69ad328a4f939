CREATE TYPE address_with_street AS (street text, city text);
