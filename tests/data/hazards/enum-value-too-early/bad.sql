ALTER TYPE mood ADD VALUE 'calm';
UPDATE countries SET name = 'calm' WHERE id = 1;
