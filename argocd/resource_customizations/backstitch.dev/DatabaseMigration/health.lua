-- SPDX-License-Identifier: Apache-2.0
-- Progressing holds a sync back, Degraded fails it, Suspended waits for a person, Healthy lets the next wave go.
local hs = {}
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  hs.status = "Progressing"
  hs.message = "The operator has not looked at this version of the object yet"
  return hs
end
hs.status = "Progressing"
hs.message = status.message or status.state or "The operator has said nothing yet"
if status.state == "AwaitingApproval" or status.reason == "Paused" then
  hs.status = "Suspended"
  return hs
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    hs.status = "Degraded"
    hs.message = condition.message
    return hs
  end
  if condition.type == "Ready" and condition.status == "True" then
    hs.status = "Healthy"
    hs.message = condition.message
  end
end
return hs
