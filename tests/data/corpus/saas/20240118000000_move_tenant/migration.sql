UPDATE "Tenant" SET "id" = md5('moved' || "slug")::uuid WHERE "slug" IN ('tenant-3', 'tenant-4');
