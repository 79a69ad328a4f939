DO $$
DECLARE u record;
BEGIN
    FOR u IN SELECT "id", "settings" FROM "User" WHERE "settings" ? 'deep' LOOP
        UPDATE "User" SET "settings" = u."settings" #- '{deep,a}' WHERE "id" = u."id";
    END LOOP;
    IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'User' AND column_name = 'locale') THEN
        ALTER TABLE "User" ADD COLUMN "locale" TEXT NOT NULL DEFAULT 'en';
    END IF;
END $$;
