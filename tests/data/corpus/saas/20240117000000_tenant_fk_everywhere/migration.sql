DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['Workspace'] LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenantId") REFERENCES "Tenant" ("id") ON UPDATE CASCADE', t, t || '_tenantId_fkey');
        EXECUTE format('CREATE INDEX %I ON %I ("tenantId")', t || '_tenantId_idx', t);
    END LOOP;
END $$;
