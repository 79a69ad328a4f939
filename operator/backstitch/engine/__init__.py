# SPDX-License-Identifier: Apache-2.0
"""Doing, through the ports of core/ports.py."""
