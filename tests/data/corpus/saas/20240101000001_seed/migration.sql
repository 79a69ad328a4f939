INSERT INTO "Tenant" ("id", "slug", "plan") SELECT md5(i::text)::uuid, 'tenant-' || i, CASE WHEN i % 5 = 0 THEN 'pro' ELSE 'free' END FROM generate_series(1, 40) i;
INSERT INTO "User" ("tenantId", "email", "name", "settings", "updatedAt")
SELECT md5((1 + i % 40)::text)::uuid, 'u' || i || '@x.test', CASE WHEN i % 6 > 0 THEN 'Ünï ' || i END,
    CASE i % 4 WHEN 0 THEN '{}' WHEN 1 THEN jsonb_build_object('theme', 'dark', 'n', i, 'deep', jsonb_build_object('a', NULL)) WHEN 2 THEN '[]' ELSE 'null' END,
    timestamp '1999-12-31 23:59:59.999' + i * interval '1 hour'
FROM generate_series(1, 500) i;
