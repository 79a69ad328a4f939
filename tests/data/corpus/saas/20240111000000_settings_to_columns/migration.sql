ALTER TABLE "User" ADD COLUMN "theme" TEXT GENERATED ALWAYS AS ("settings" ->> 'theme') STORED;
CREATE INDEX "User_settings_idx" ON "User" USING GIN ("settings" jsonb_path_ops);
CREATE INDEX "User_theme_idx" ON "User"("theme") WHERE "theme" IS NOT NULL;
