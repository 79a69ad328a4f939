# SPDX-License-Identifier: Apache-2.0
"""Entry points: the operator, the command line, and their wiring."""
