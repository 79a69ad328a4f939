DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'User' AND column_name = 'locale') THEN
        EXECUTE 'ALTER TABLE "User" DROP COLUMN "locale"';
    END IF;
EXCEPTION WHEN undefined_column THEN NULL;
END $$;
