-- SPDX-License-Identifier: Apache-2.0
-- A button is enabled where the request changes something; the operator drops any other request anyway.
local forward = {
  Pending = true, Waiting = true, AwaitingApproval = true, BackingUp = true,
  Rehearsing = true, Migrating = true, Verifying = true,
}
local can = {
  retry = {Refused = true, Stopped = true, RolledBack = true, NeedsHelp = true},
  rollback = {Succeeded = true, Migrating = true, Verifying = true, NeedsHelp = true},
  cancel = forward,
  approve = {AwaitingApproval = true},
}
local state = "Pending"
local status = obj.status or {}
if status.state ~= nil then
  state = status.state
end
local paused = obj.metadata.annotations ~= nil and obj.metadata.annotations["backstitch.dev/pause"] ~= nil
return {
  approve = {
    disabled = not (can.approve[state] and status.planDigest ~= nil),
    displayName = "Approve the plan", iconClass = "fa fa-fw fa-check",
  },
  pause = {
    disabled = paused or not forward[state],
    displayName = "Pause", iconClass = "fa fa-fw fa-pause",
  },
  resume = {disabled = not paused, displayName = "Resume", iconClass = "fa fa-fw fa-play"},
  retry = {disabled = not can.retry[state], displayName = "Retry", iconClass = "fa fa-fw fa-redo"},
  rollback = {disabled = not can.rollback[state], displayName = "Roll back", iconClass = "fa fa-fw fa-undo"},
  cancel = {disabled = not can.cancel[state], displayName = "Cancel", iconClass = "fa fa-fw fa-stop"},
}
