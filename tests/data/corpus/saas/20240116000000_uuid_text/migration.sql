ALTER TABLE "Workspace" ADD COLUMN "externalId" TEXT;
UPDATE "Workspace" SET "externalId" = md5("id"::text)::uuid::text;
ALTER TABLE "Workspace" ALTER COLUMN "externalId" TYPE UUID USING "externalId"::uuid;
