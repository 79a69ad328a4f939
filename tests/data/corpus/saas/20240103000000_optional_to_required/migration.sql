/*
  Warnings:
  - Made the column `archived` on table `Project` required. This step will fail if there are existing NULL values in that column.
*/
UPDATE "Project" SET "archived" = false WHERE "archived" IS NULL;
ALTER TABLE "Project" ALTER COLUMN "archived" SET NOT NULL, ALTER COLUMN "archived" SET DEFAULT false;
