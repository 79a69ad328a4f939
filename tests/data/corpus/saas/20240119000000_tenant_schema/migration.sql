CREATE SCHEMA "app";
ALTER TABLE "User" SET SCHEMA "app";
ALTER TABLE "Workspace" SET SCHEMA "app";
ALTER TABLE "Membership" SET SCHEMA "app";
ALTER TYPE "Role" SET SCHEMA "app";
ALTER FUNCTION current_tenant() SET SCHEMA "app";
