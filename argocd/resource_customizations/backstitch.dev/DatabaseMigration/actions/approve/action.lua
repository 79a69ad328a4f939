-- SPDX-License-Identifier: Apache-2.0
-- Argo CD writes as its own service account, so that is whose yes it is: who may press this is for Argo CD's RBAC to say
-- (action/backstitch.dev/DatabaseMigration/approve).
local os = require("os")
local approval = {
  apiVersion = "backstitch.dev/v1alpha1",
  kind = "MigrationApproval",
  metadata = {name = obj.metadata.name .. "-argocd-" .. os.date("!%Y%m%d%H%M%S"), namespace = obj.metadata.namespace},
  spec = {
    migrationRef = {name = obj.metadata.name},
    planDigest = obj.status.planDigest,
    approver = "system:serviceaccount:argocd:argocd-server",
    comment = "approved in Argo CD",
  },
}
return {{operation = "create", resource = approval}}
