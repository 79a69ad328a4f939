# SPDX-License-Identifier: Apache-2.0
"""Which statements turn a schema back into what it was? Computed from two catalogs, never from SQL text."""

from __future__ import annotations

from backstitch.model.catalog import Catalog, Reverse


def reverse(before: Catalog, after: Catalog) -> Reverse:
    """Give the statements that turn `after` into `before`, or the reasons why there are none."""
    raise NotImplementedError
