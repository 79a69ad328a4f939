-- SPDX-License-Identifier: Apache-2.0
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["backstitch.dev/pause"] = nil
end
return obj
