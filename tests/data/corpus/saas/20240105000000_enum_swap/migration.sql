-- AlterEnum
BEGIN;
CREATE TYPE "Role_new" AS ENUM ('OWNER', 'ADMIN', 'GUEST');
ALTER TABLE "Workspace" ALTER COLUMN "role" DROP DEFAULT;
ALTER TABLE "Workspace" ALTER COLUMN "role" TYPE "Role_new" USING (CASE "role"::text WHEN 'MEMBER' THEN 'GUEST' ELSE "role"::text END::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
ALTER TYPE "Role_new" RENAME TO "Role";
DROP TYPE "Role_old";
ALTER TABLE "Workspace" ALTER COLUMN "role" SET DEFAULT 'GUEST';
COMMIT;
