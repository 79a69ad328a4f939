DELETE FROM "app"."Membership" m USING "app"."User" u WHERE u."id" = m."userId" AND u."tenantId" IN (SELECT "id" FROM "Tenant" WHERE "slug" LIKE 'tenant-1_');
DELETE FROM "app"."User" WHERE "tenantId" IN (SELECT "id" FROM "Tenant" WHERE "slug" LIKE 'tenant-1_');
DELETE FROM "app"."Membership" m USING "app"."Workspace" w WHERE w."id" = m."workspaceId" AND w."tenantId" IN (SELECT "id" FROM "Tenant" WHERE "slug" LIKE 'tenant-1_');
DELETE FROM "app"."Workspace" WHERE "tenantId" IN (SELECT "id" FROM "Tenant" WHERE "slug" LIKE 'tenant-1_');
DELETE FROM "Tenant" WHERE "slug" LIKE 'tenant-1_';
