CREATE TYPE "Role" AS ENUM ('OWNER', 'MEMBER');
CREATE TABLE "_UserToProject" ("A" INTEGER NOT NULL, "B" INTEGER NOT NULL);
CREATE TABLE "Project" ("id" SERIAL PRIMARY KEY, "tenantId" UUID NOT NULL, "name" TEXT NOT NULL, "role" "Role" NOT NULL DEFAULT 'MEMBER', "archived" BOOLEAN);
INSERT INTO "Project" ("tenantId", "name", "archived") SELECT "tenantId", 'Project of ' || "id", CASE WHEN "id" % 3 > 0 THEN "id" % 2 = 0 END FROM "User" WHERE "id" % 2 = 0;
CREATE UNIQUE INDEX "_UserToProject_AB_unique" ON "_UserToProject"("A", "B");
CREATE INDEX "_UserToProject_B_index" ON "_UserToProject"("B");
ALTER TABLE "_UserToProject" ADD FOREIGN KEY ("A") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "_UserToProject" ADD FOREIGN KEY ("B") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
INSERT INTO "_UserToProject" SELECT p."id", u."id" FROM "Project" p JOIN "User" u USING ("tenantId") WHERE u."id" % 7 = 0;
