ALTER TABLE "Project" RENAME TO "Workspace";
ALTER TABLE "Workspace" RENAME CONSTRAINT "Project_pkey" TO "Workspace_pkey";
ALTER SEQUENCE "Project_id_seq" RENAME TO "Workspace_id_seq";
ALTER TABLE "_UserToProject" RENAME TO "_UserToWorkspace";
ALTER INDEX "_UserToProject_AB_unique" RENAME TO "_UserToWorkspace_AB_unique";
ALTER TABLE "_UserToWorkspace" RENAME CONSTRAINT "_UserToProject_A_fkey" TO "_UserToWorkspace_A_fkey";
