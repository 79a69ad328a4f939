# SPDX-License-Identifier: Apache-2.0
"""`python -m backstitch` is `backstitch`."""

from backstitch.app.leave import run

run()
