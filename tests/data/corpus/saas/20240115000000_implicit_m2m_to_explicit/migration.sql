CREATE TABLE "Membership" ("userId" INTEGER NOT NULL REFERENCES "User", "workspaceId" INTEGER NOT NULL REFERENCES "Workspace", "since" TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY ("userId", "workspaceId"));
INSERT INTO "Membership" ("userId", "workspaceId", "since") SELECT DISTINCT "B", "A", timestamp '2024-01-15' FROM "_UserToWorkspace";
DROP TABLE "_UserToWorkspace";
