# SPDX-License-Identifier: Apache-2.0
"""Which real servers the tests and the demo run, and how they are found, started and always stopped."""
