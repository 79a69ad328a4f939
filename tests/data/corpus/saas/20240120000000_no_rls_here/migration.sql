ALTER TABLE "app"."Workspace" DISABLE ROW LEVEL SECURITY;
DROP POLICY tenant_isolation ON "app"."Workspace";
DROP FUNCTION "app".current_tenant();
