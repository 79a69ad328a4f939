-- the type of a column that a policy uses: the policy goes and comes again
DROP POLICY tenant_insert ON "User";
ALTER TABLE "User" ALTER COLUMN "email" SET DATA TYPE VARCHAR(320);
CREATE POLICY tenant_insert ON "User" FOR INSERT WITH CHECK ("email" LIKE '%_@_%');
