/*
  Warnings:

  - You are about to drop the column `text` on the `Post` table. All the data in the column will be lost.
*/
-- DropForeignKey
ALTER TABLE "Post" DROP CONSTRAINT "Post_authorId_fkey";

-- AlterTable
ALTER TABLE "Post" DROP COLUMN "text",
ADD COLUMN     "body" TEXT NOT NULL DEFAULT '';

-- DropIndex
DROP INDEX "User_email_key";

-- AddForeignKey
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
