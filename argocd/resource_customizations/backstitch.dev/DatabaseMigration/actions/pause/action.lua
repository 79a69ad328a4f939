-- SPDX-License-Identifier: Apache-2.0
-- Holds while it is there, so its value is for people only.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["backstitch.dev/pause"] = os.date("!%Y-%m-%dT%XZ")
return obj
