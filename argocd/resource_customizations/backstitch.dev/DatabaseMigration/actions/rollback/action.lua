-- SPDX-License-Identifier: Apache-2.0
-- Each new value is one request, so the time will do.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["backstitch.dev/rollback"] = os.date("!%Y-%m-%dT%XZ")
return obj
