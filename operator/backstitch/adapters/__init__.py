# SPDX-License-Identifier: Apache-2.0
"""The outside world; each adapter translates its errors at the border."""
