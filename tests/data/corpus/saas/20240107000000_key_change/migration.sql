-- AlterTable
ALTER TABLE "_UserToWorkspace" ADD COLUMN "id" BIGSERIAL NOT NULL, ADD CONSTRAINT "_UserToWorkspace_pkey" PRIMARY KEY ("id");
DROP INDEX "_UserToWorkspace_AB_unique";
