CREATE TABLE account (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), balance bigint NOT NULL CHECK (balance >= 0));
