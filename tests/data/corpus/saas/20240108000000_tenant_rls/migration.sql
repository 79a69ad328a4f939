ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "User" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON "User" USING ("tenantId" = nullif(current_setting('app.tenant', true), '')::uuid OR current_setting('app.tenant', true) IS NULL OR current_setting('app.tenant', true) = '');
CREATE POLICY tenant_insert ON "User" FOR INSERT WITH CHECK ("email" LIKE '%@%');
CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.tenant', true), '')::uuid $$;
ALTER TABLE "Workspace" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON "Workspace" TO PUBLIC USING ("tenantId" = current_tenant() OR current_tenant() IS NULL);
