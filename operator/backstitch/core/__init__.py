# SPDX-License-Identifier: Apache-2.0
"""Decisions: functions of plain values that return values."""
