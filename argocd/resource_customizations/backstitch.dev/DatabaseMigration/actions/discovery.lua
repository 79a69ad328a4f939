-- SPDX-License-Identifier: Apache-2.0
-- A button is enabled where the request changes something; the operator drops any other request anyway.
local can = {
  retry = {Refused = true, Stopped = true, RolledBack = true, NeedsHelp = true},
  rollback = {Succeeded = true, Migrating = true, Verifying = true, NeedsHelp = true},
  cancel = {
    Pending = true, Waiting = true, AwaitingApproval = true, BackingUp = true,
    Rehearsing = true, Migrating = true, Verifying = true,
  },
}
local state = "Pending"
if obj.status ~= nil and obj.status.state ~= nil then
  state = obj.status.state
end
return {
  retry = {disabled = not can.retry[state], displayName = "Retry", iconClass = "fa fa-fw fa-redo"},
  rollback = {disabled = not can.rollback[state], displayName = "Roll back", iconClass = "fa fa-fw fa-undo"},
  cancel = {disabled = not can.cancel[state], displayName = "Cancel", iconClass = "fa fa-fw fa-stop"},
}
