UPDATE "User" SET "firstName" = split_part("email", '@', 1) WHERE "firstName" IS NULL;
UPDATE "Workspace" SET "name" = upper("name") WHERE "role" = 'GUEST';
