# SPDX-License-Identifier: Apache-2.0
"""Where is each kind of test? In the folder of its name; what tests share is in `tests/plugins`."""
