UPDATE "User" SET "settings" = '{}' WHERE jsonb_typeof("settings") <> 'object';
UPDATE "User" SET "settings" = "settings" - 'n' || jsonb_build_object('version', 2);
UPDATE "User" u SET "settings" = jsonb_set(u."settings", '{plan}', to_jsonb(t."plan")) FROM "Tenant" t WHERE t."id" = u."tenantId" AND t."plan" = 'pro';
